"""What bench.py installs from PyPI, into build/venv-bench, and what it says when that fails."""
import importlib.metadata
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(os.path.dirname(HERE), "build/venv-bench")
REQUIREMENTS = os.path.join(HERE, "requirements.txt")
PACKAGES = {"onnxruntime": ["onnxruntime"], "openvino": ["openvino"], "ncnn": ["ncnn", "pnnx"], "pytorch": ["torch", "pnnx"]}


class Fault(Exception):
    """One line for people: why an engine or a net is left out."""


def say(text):
    print(text, flush=True)


def telling_line(text):
    """The first line of a compiler's error, else the last line, where Python says what happened."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "error: " in line), lines[-1] if lines else "no message")[:200]


def run(command, **settings):
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, **settings)
    if result.returncode != 0:
        raise Fault(f"{os.path.basename(command[0])}: {telling_line(result.stderr or result.stdout)}")
    return result.stdout


def enter_venv(wanted):
    """Starts again with the interpreter of build/venv-bench; installs what is missing, one line of requirements at a time."""
    python, done_path = os.path.join(VENV, "bin/python"), os.path.join(VENV, "installed.json")
    if os.path.realpath(sys.prefix) == os.path.realpath(VENV):
        return
    done = {}
    if os.path.exists(done_path):
        with open(done_path, encoding="utf-8") as file:
            done = json.load(file)
    elif not os.path.exists(python):
        say("making build/venv-bench")
        run([sys.executable, "-m", "venv", VENV])
    with open(REQUIREMENTS, encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    for line in lines:
        package, _, users = line.partition("#")
        package = package.strip()
        if done.get(package) == "" or users.split() and not set(users.split()) & set(wanted):
            continue
        say(f"installing {package} from PyPI")
        result = subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "3", "--timeout", "60",
                                 "--only-binary", ":all:", package], capture_output=True, text=True, check=False)
        done[package] = "" if result.returncode == 0 else telling_line(result.stderr)
        if done[package]:
            say(f"bench: {package} is not installed: {done[package]}")
        with open(done_path, "w", encoding="utf-8") as file:
            json.dump(done, file, indent=1)
    os.execv(python, [python, *sys.argv])


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def present(wanted):
    """Those of the engines that are installed, a line for each other. Without numpy there is nothing to do."""
    if version_of("numpy") is None:
        raise Fault("PyPI's numpy could not be installed, and without it outputs cannot be compared")
    found = []
    for engine in wanted:
        missing = [package for package in PACKAGES[engine] if version_of(package) is None]
        if missing:
            say(f"bench: {engine} is left out: PyPI's {' and '.join(missing)} could not be installed; the next run tries again")
        else:
            found.append(engine)
    return found
