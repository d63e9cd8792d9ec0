#!/usr/bin/env python3
"""Every network of the zoo, in ONNX Runtime and as generated C, on the same made-up weights and images.

Usage: tools/oracle/onnxruntime_sweep.py [--shard I/N] [--jobs N] [--double] [--target NAME] [--cc COMMAND] [NAME...]

For each variant of dsl/zoo/index (NAME: only these): `cnnc --emit=onnx`, run by ONNX Runtime; `cnnc -o model.c`, compiled
and run; every output compared, before the softmax where the net lets one leave it out. Where they differ by more than
TOLERANCE times the largest value, the reference interpreter (float64) says who is right: generated C passes within
DOUBLE_TOLERANCE of it, and for the variants in ILL_CONDITIONED where it is nearer than ONNX Runtime is. --double asks
float64 for every entry, and wants DOUBLE_TOLERANCE of each.

Two more entries: `ops`, every case of tests/golden/numbers/interp_ops.txt (single ops, PyTorch's float64 results) in ONNX
Runtime; and `nets/NAME`, the small nets of tests/run/nets/ and tests/golden/graph/.

ONNX Runtime comes from PyPI into build/venv. CNNC_BUILD names the build folder (default build).
"""
import argparse
import concurrent.futures
import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.append(os.path.join(ROOT, "tools/golden"))
from zoo import variants   # noqa: E402

BUILD = os.path.join(ROOT, os.environ.get("CNNC_BUILD", "build"))
CNNC = os.path.join(BUILD, "cnnc")
REFERENCE = os.path.join(BUILD, "tools/oracle/reference")
VENV = os.path.join(ROOT, "build/venv")
REQUIREMENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requirements.txt")
WORK = os.path.join(BUILD, "onnxruntime")
TOLERANCE = 2e-5       # generated C against ONNX Runtime, of the largest value
DOUBLE_TOLERANCE = 1e-5  # generated C against float64
OPS_TOLERANCE = 1e-5   # single ops: ONNX Runtime against float64
VARIANT_SECONDS = 900
# What one rounding of the image does to the float64 result shows how far apart two float32 engines may end.
ILL_CONDITIONED = {
    # With formula weights the activations grow from block to block, up to 4433 at the end. The gates of squeeze and
    # excitation then get numbers up to 1600 before their sigmoid: they are switches, and some stand near their edge.
    # Moving the image by one unit in the last place moves the result by 1.4e-6 (2.3e-9 for B6).
    "efficientnet_b7",
}
# Parameters that leave out what saturates at the end, where a net has them.
LEAVE_OUT = ["probabilities=false", "bounded=false"]


def enter_venv():
    """Starts again with the interpreter of build/venv, which is made first where it is missing or out of date."""
    python = os.path.join(VENV, "bin/python")
    with open(REQUIREMENTS, encoding="utf-8") as file:
        wanted = file.read()
    ready = os.path.join(VENV, "ready")
    if os.path.exists(ready) and open(ready, encoding="utf-8").read() == wanted:
        if os.path.realpath(sys.prefix) != os.path.realpath(VENV):
            os.execv(python, [python, *sys.argv])
        return
    print("making build/venv with ONNX Runtime from PyPI", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    for command in ([sys.executable, "-m", "venv", VENV],
                    [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "3",
                     "--timeout", "30", "-r", REQUIREMENTS]):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"onnxruntime_sweep: cannot make build/venv: `{' '.join(command)}` failed:\n{result.stdout}{result.stderr}"
                     "Is PyPI reachable, and (on Debian) python3-venv installed?")
    with open(ready, "w", encoding="utf-8") as file:
        file.write(wanted)
    os.execv(python, [python, *sys.argv])


# --- what there is to compare

def small_nets():
    folder = os.path.join(ROOT, "tests/run/nets")
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".net")]
    paths += [os.path.join(ROOT, "tests/golden/graph", name) for name in ("every_op.net", "loss.net")]
    return {"nets/" + os.path.basename(path)[:-4]: [path] for path in paths}


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        message = (result.stderr or result.stdout).strip().splitlines()
        name = os.path.basename(command[0])
        raise RuntimeError(f"{name} ended with {result.returncode}: " + (message[0] if message else "no message"))


def without_softmax(options):
    """The options with those of LEAVE_OUT that the net knows."""
    for setting in LEAVE_OUT:
        wanted = [*options, "-D", setting]
        result = subprocess.run([CNNC, *wanted, "--weights=formula", "--emit=graph"], capture_output=True, text=True, check=False)
        if f"has no parameter '{setting.split('=')[0]}'" not in result.stderr:
            options = wanted
    return options


def interleaved_inputs(options):
    """Names of the inputs that the .net file declares as hwc."""
    with open(options[0], encoding="utf-8") as file:
        return set(re.findall(r"\binput\s+(\w+)\s*:\s*\w+\s+hwc\b", file.read()))


def make_input(np, formula, variant, port, is_single, is_hwc):
    """Made-up image by the name of the input: values -1..1, for the style nets 0..255; bytes where it takes bytes. Numbers
    are dealt out channel by channel, whatever the order in memory."""
    name = "input" if is_single else port.name
    shape = [int(size) for size in port.shape]
    u = formula.uniform(name, int(np.prod(shape)))
    of_pixels = variant.startswith("style_") or variant == "vgg16_loss_features"
    values = np.floor(256 * u).astype(np.uint8) if port.type == "tensor(uint8)" else (255 * u if of_pixels else 2 * u - 1).astype(np.float32)
    if is_hwc:
        return np.ascontiguousarray(values.reshape([1, shape[3], shape[1], shape[2]]).transpose(0, 2, 3, 1))
    return values.reshape(shape)


def make_inputs(np, formula, variant, options, ports):
    hwc = interleaved_inputs(options)
    return [make_input(np, formula, variant, port, len(ports) == 1, port.name in hwc) for port in ports]


# --- the two engines

def run_onnx(np, formula, variant, options, folder):
    """Exports and runs the model; (inputs, outputs, names of outputs)."""
    import onnxruntime
    path = os.path.join(folder, "model.onnx")
    run([CNNC, *options, "--weights=formula", "--emit=onnx", "-o", path])
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    inputs = make_inputs(np, formula, variant, options, session.get_inputs())
    outputs = session.run(None, {port.name: value for port, value in zip(session.get_inputs(), inputs)})
    names = [port.name for port in session.get_outputs()]
    for file in (path, path + ".data"):
        if os.path.exists(file):
            os.remove(file)
    return inputs, outputs, names


def aligned(np, size):
    memory = np.zeros(size + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start:start + size]


def run_c(np, options, folder, target, cc, inputs, like):
    """Compiles and runs the generated C; outputs of the shapes and types of `like`."""
    source, library = os.path.join(folder, "model.c"), os.path.join(folder, "model.so")
    run([CNNC, *options, "--target=" + target, "--weights=formula", "--no-embed-weights", "--name=model", "-o", source])
    run([*cc.split(), "-shared", "-fPIC", source, "-o", library, "-lm"])
    with open(os.path.join(folder, "model.h"), encoding="utf-8") as header:
        arena_bytes = int(re.search(r"MODEL_ARENA_BYTES = (\d+)", header.read()).group(1))
    model = ctypes.CDLL(library)
    weights_path = os.path.join(folder, "model.weights")
    weights = aligned(np, os.path.getsize(weights_path) if os.path.exists(weights_path) else 0)
    if len(weights):
        with open(weights_path, "rb") as file:
            file.readinto(weights)
        os.remove(weights_path)
    arena = aligned(np, arena_bytes)
    arena.fill(0xFF)
    network = aligned(np, 65536)
    pointer = lambda array: ctypes.c_void_p(array.ctypes.data if array.size else None)
    status = model.model_init(pointer(network), pointer(weights), ctypes.c_size_t(len(weights)), pointer(arena),
                              ctypes.c_size_t(arena_bytes))
    if status != 0:
        raise RuntimeError(f"the generated init returned {status}")
    outputs = [np.zeros_like(value) for value in like]
    status = model.model_run(pointer(network), *[pointer(value) for value in [*inputs, *outputs]])
    if status != 0:
        raise RuntimeError(f"the generated run returned {status}")
    return outputs


def run_double(np, options, folder, inputs, like):
    """The reference interpreter's outputs."""
    for i, value in enumerate(inputs):
        value.tofile(os.path.join(folder, f"input{i}.bin"))
    run([REFERENCE, folder, *options, "--weights=formula"])
    return [np.fromfile(os.path.join(folder, f"output{i}.f64")).reshape(value.shape) for i, value in enumerate(like)]


def distance(np, ours, theirs):
    """Largest difference, of the largest value; not a number counts as infinite."""
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    difference = float(np.abs(ours - theirs).max())
    largest = float(np.abs(theirs).max())
    if not np.isfinite(difference):
        return float("inf")
    return difference / largest if largest > 0 else difference


# --- one entry, in a process of its own

def compare_net(variant, options, arguments, folder):
    import numpy as np
    sys.path.insert(0, os.path.join(ROOT, "tools/golden"))
    import formula
    options = without_softmax(options)
    start = time.monotonic()
    inputs, theirs, names = run_onnx(np, formula, variant, options, folder)
    middle = time.monotonic()
    ours = run_c(np, options, folder, arguments.target, arguments.cc, inputs, theirs)
    seconds = [middle - start, time.monotonic() - middle]
    distances = [distance(np, a, b) for a, b in zip(ours, theirs)]
    worst = max(range(len(names)), key=lambda i: distances[i])
    agrees = distances[worst] <= TOLERANCE
    ok = agrees
    text = f"C - ORT {distances[worst]:.1e}"
    if len(names) > 1:
        text += f" at '{names[worst]}' of {len(names)} outputs"
    if arguments.double or not agrees:
        exact = run_double(np, options, folder, inputs, theirs)
        c_errors = [distance(np, a, b) for a, b in zip(ours, exact)]
        ort_errors = [distance(np, a, b) for a, b in zip(theirs, exact)]
        text += f"; against float64: C {max(c_errors):.1e}, ORT {max(ort_errors):.1e}"
        bounds = [max(DOUBLE_TOLERANCE, error if variant in ILL_CONDITIONED else 0.0) for error in ort_errors]
        ok = all(error <= bound for error, bound in zip(c_errors, bounds))
        text += "" if agrees else " (ill-conditioned)" if variant in ILL_CONDITIONED else " (ORT is off)" if ok else ""
    return ok, f"{text}  ({seconds[0]:.1f} s + {seconds[1]:.1f} s)"


def read_cases():
    with open(os.path.join(ROOT, "tests/golden/numbers/interp_ops.txt"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    for i, line in enumerate(lines):
        if line.startswith("case "):
            yield line[5:], lines[i + 1], [int(word) for word in lines[i + 2].split()[1:]], [float(word) for word in lines[i + 3].split()]


def compare_ops(folder):
    import numpy as np
    sys.path.insert(0, os.path.join(ROOT, "tools/golden"))
    import formula
    count, worst, faults = 0, 0.0, []
    for name, net, shape, values in read_cases():
        path = os.path.join(folder, "case.net")
        with open(path, "w", encoding="utf-8") as file:
            file.write(net + "\n")
        count += 1
        try:
            _, outputs, _ = run_onnx(np, formula, name, [path], folder)
            expected = np.array(values).reshape([1, *shape])
            if outputs[0].shape != expected.shape:
                faults.append(f"{name}: shape {outputs[0].shape}")
                continue
            error = distance(np, outputs[0], expected)
            worst = max(worst, error)
            if error > OPS_TOLERANCE:
                faults.append(f"{name}: {error:.1e}")
        except Exception as fault:  # whatever an engine throws is the case's failure
            faults.append(f"{name}: {str(fault).splitlines()[0]}")
    text = f"{count - len(faults)} of {count} single ops as PyTorch has them, ORT - float64 {worst:.1e}"
    return not faults and count > 100, text + "".join("\n        " + fault for fault in faults)


def work_on(name, arguments):
    """The child's side: prints its verdict as one line of JSON."""
    folder = os.path.join(WORK, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        ok, text = compare_ops(folder) if name == "ops" else compare_net(name, {**variants(), **small_nets()}[name], arguments, folder)
    except Exception as fault:  # reported, not raised: the sweep goes on
        lines = str(fault).strip().splitlines()
        ok, text = False, f"{type(fault).__name__}: {lines[0] if lines else ''}"
    shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps([ok, text]))


def start_child(name):
    command = [sys.executable, os.path.abspath(__file__), "--child", *sys.argv[1:], "--", name]
    start = time.monotonic()
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=VARIANT_SECONDS)
        ok, text = json.loads(result.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        ok, text = False, f"no end after {VARIANT_SECONDS} s"
    except (IndexError, ValueError):
        detail = result.stderr.strip().splitlines()
        ok, text = False, f"the process ended with {result.returncode}" + (": " + detail[-1] if detail else "")
    return name, ok, text, time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shard", default="1/1", help="I/N: the I-th of N parts")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--double", action="store_true", help="compare both with float64 too (slow)")
    parser.add_argument("--target", default="portable", help="of cnnc; --cc must fit it")
    parser.add_argument("--cc", default="cc -O3 -march=native")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    if arguments.child:
        sys.dont_write_bytecode = True  # nothing appears beside tools/golden/formula.py
        work_on(arguments.names[-1], arguments)
        return
    everything = ["ops", *small_nets(), *variants()]
    unknown = [name for name in arguments.names if name not in everything]
    if unknown:
        sys.exit(f"onnxruntime_sweep: no such entry: {', '.join(unknown)}")
    shard, shards = (int(part) for part in arguments.shard.split("/"))
    if not 1 <= shard <= shards:
        sys.exit("onnxruntime_sweep: --shard wants I/N with 1 <= I <= N")
    names = (arguments.names or everything)[shard - 1::shards]
    enter_venv()
    failed = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for done, future in enumerate(concurrent.futures.as_completed([pool.submit(start_child, name) for name in names]), 1):
            name, ok, text, seconds = future.result()
            print(f"[{done}/{len(names)}] {'ok    ' if ok else 'FAILED'} {name:36} {text}  {seconds:.0f} s", flush=True)
            if not ok:
                failed.append(name)
    if failed:
        print("failed: " + " ".join(failed))
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
