#!/usr/bin/env python3
"""Generated code against ONNX Runtime, OpenVINO, ncnn and PyTorch, side by side.

Usage: bench/bench.py [--quick] [--rounds N] [--runs N] [--threads 1,2] [--targets portable,...] [--compilers 'gcc,clang']
                      [--engines onnxruntime,...] [--results FOLDER] [NET...]       NET: a variant of the zoo, or a .net file

For every net and number of threads each engine loads the model once, in a worker process of its own; outputs are compared;
then rounds, in alternating order, let one worker at a time make its runs while the others are stopped (SIGSTOP), so that no
thread of theirs can spin. The others read what `cnnc --emit=onnx` writes (ncnn and PyTorch by way of pnnx). Nets are timed
up to their logits: before the softmax where they let one leave it out.

Engines come from PyPI into build/venv-bench; one that cannot be installed, or cannot run a net, is a printed line and
a gap in the table. CNNC_BUILD names the build folder (default build).
"""
import argparse
import contextlib
import ctypes
import datetime
import glob
import json
import os
import platform
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path += [HERE, os.path.join(ROOT, "tools/oracle"), os.path.join(ROOT, "tools/golden")]
import engines                    # noqa: E402
import onnxruntime_sweep as sweep   # noqa: E402
from packages import PACKAGES, VENV, Fault, enter_venv, present, run, say, version_of   # noqa: E402
from zoo import variants          # noqa: E402

WORK = os.path.join(sweep.BUILD, "bench-engines")
HELPERS = [os.path.join(ROOT, "runtime", name) for name in ("cnn_arena.c", "cnn_threads.c", "cnn_weights.c")]
TOLERANCE = 1e-4       # outputs against ours, of the largest value
ROUND_SECONDS = 0.1    # fast nets run longer than --runs a round
WORKER_SECONDS = 900   # to start, or for one round
BUSY = 0.05            # a round in which other programs took more of the processors' time is made again,
ROUNDS_MORE = 3        # up to so many times --rounds in all; the quietest count
NETS = ("resnet50 resnet18 vgg16 alexnet_2gpu_227 mobilenet_v1_100_224 efficientnet_b0 nin_imagenet googlenet_caffe googlenet_tv "
        "inception_v3 inception_v4 inception_resnet_v2 resnext50_32x4d xception lenet5_avgpool_tanh style_transformer").split()


def plural(threads):
    return "1 thread" if threads == 1 else f"{threads} threads"


# --- models

def options_of(net):
    if net.endswith(".net"):
        return [os.path.abspath(net)]
    everything = variants()
    if net not in everything:
        raise Fault(f"no variant '{net}': see cnnc --list-zoo")
    return everything[net]


def read_header(path):
    """Inputs and outputs [(name, C type, shape)], arena and weights bytes, whether it takes threads."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    prototype = re.search(r"^cnn_status model_run\(model \*net,(.*?)\);", text, re.S | re.M).group(1)
    ports = {True: [], False: []}
    for parameter in prototype.split(","):
        words = parameter.replace("*", " ").split()
        kind, name = words[-2:]
        sizes = re.search(rf"^ \*     {kind} {name}((?:\[\d+\])+)", text, re.M).group(1)
        ports["const" in words].append((name, kind, [int(size) for size in re.findall(r"\d+", sizes)]))
    number = lambda name: int(re.search(rf"MODEL_{name} = (\d+)", text).group(1))
    return ports[True], ports[False], number("ARENA_BYTES"), number("WEIGHTS_BYTES"), "model_set_parallel(" in text


def write_ports(header, folder):
    inputs, outputs, *_, takes_threads = header
    size = lambda port: f"MODEL_{port[0].upper()}_ELEMENTS * sizeof({port[1]})"
    arguments = [f"(in)[{i}]" for i in range(len(inputs))] + [f"(out)[{i}]" for i in range(len(outputs))]
    with open(os.path.join(folder, "ports.h"), "w", encoding="utf-8") as file:
        file.write(f"enum {{ N_INPUTS = {len(inputs)}, N_OUTPUTS = {len(outputs)} }};\n"
                   f"static const size_t input_bytes[] = {{{', '.join(map(size, inputs))}}};\n"
                   f"static const size_t output_bytes[] = {{{', '.join(map(size, outputs))}}};\n"
                   f"#define RUN(net, in, out) model_run(net, {', '.join(arguments)})\n")
        if takes_threads:
            file.write("#define SET_PARALLEL model_set_parallel\n")


def compile_command(compiler, target):
    """The command with flags that fit the target; one that has flags of its own is left as it is."""
    words = shlex.split(compiler)
    return words if len(words) > 1 else words + flags_for(target)


def flags_for(target):
    if "," in target or target == "aarch64":
        return ["-O3"]
    return ["-O3", "-march=" + ("native" if target == "portable" else target)]


def compile_ours(options, target, compiler, threads, folder):
    """Generated code and worker.c; (program, seconds of the C compiler, header, lines)."""
    os.makedirs(folder)
    run([sweep.CNNC, *options, "--weights=formula", "--no-embed-weights", "--name=model", "--target=" + target, f"--threads-max={threads}",
         "-o", os.path.join(folder, "model.c")])
    header = read_header(os.path.join(folder, "model.h"))
    write_ports(header, folder)
    sources = glob.glob(os.path.join(folder, "*.c"))
    objects = [source[:-2] + ".o" for source in sources]
    lines = 0
    begin = time.monotonic()
    for source, result in zip(sources, objects):
        run([*compile_command(compiler, target), "-c", source, "-o", result])
    seconds = time.monotonic() - begin
    for source in sources:
        with open(source, encoding="utf-8") as file:
            lines += sum(1 for _ in file)
    program = os.path.join(folder, "worker")
    run([*shlex.split(compiler), "-std=gnu11", "-O2", "-I" + os.path.join(ROOT, "runtime"), "-I" + folder, os.path.join(HERE, "worker.c"), *HELPERS,
         *objects, "-o", program, "-pthread", "-lm"])
    return program, seconds, header, lines


def write_inputs(net, inputs, folder):
    """Made-up images, the same bytes for every engine."""
    import formula
    import numpy as np
    paths = []
    with open(os.path.join(folder, "inputs.txt"), "w", encoding="utf-8") as file:
        for i, (name, kind, shape) in enumerate(inputs):
            u = formula.uniform("input" if len(inputs) == 1 else name, int(np.prod(shape)))
            is_bytes = kind == "uint8_t"
            values = np.floor(256 * u).astype(np.uint8) if is_bytes else (255 * u if net.startswith("style_") else 2 * u - 1).astype(np.float32)
            paths.append(os.path.join(folder, f"input{i}.bin"))
            values.tofile(paths[-1])
            file.write(("uint8" if is_bytes else "float32") + " 1 " + " ".join(map(str, shape)) + "\n")
    return paths


# --- workers

def in_child(cpus):
    """A worker's processors; it dies with the harness, even when stopped."""
    os.sched_setaffinity(0, cpus)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Worker:
    """One engine with one model loaded; stopped unless it is its turn."""

    def __init__(self, name, command, folder, threads):
        self.known_seconds = 0.0
        self.log = os.path.join(folder, name.replace(" ", "-") + ".log")
        cpus = sorted(os.sched_getaffinity(0))[-threads:]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        begin = time.monotonic_ns()
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
                                            cwd=folder, preexec_fn=lambda: in_child(cpus))
        ready = self.answer().split()
        self.answer()
        self.first_ms = (int(ready[1]) - begin) / 1e6
        self.import_ms = (int(ready[2]) - begin) / 1e6 if len(ready) > 2 else 0.0
        self.import_bytes = int(ready[3]) if len(ready) > 3 else 0
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            self.peak_bytes = next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        self.process.send_signal(signal.SIGSTOP)

    def answer(self):
        timer = threading.Timer(WORKER_SECONDS, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            code = self.process.wait()
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise Fault(f"ended with {code}: {telling_line(log.read())}")
        return line

    def seconds(self):
        """Processor time so far."""
        with contextlib.suppress(OSError):  # it may have ended
            with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as stat:
                self.known_seconds = sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
        return self.known_seconds

    def time(self, runs):
        """Milliseconds of each run."""
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(f"time {runs} {ROUND_SECONDS}\n")
        self.process.stdin.flush()
        times = [int(word) / 1e6 for word in self.answer().split()]
        self.process.send_signal(signal.SIGSTOP)
        return times

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def read_outputs(name, folder, outputs):
    import numpy as np
    kinds = {"float": np.float32, "int32_t": np.int32, "int64_t": np.int64, "uint8_t": np.uint8}
    return [np.fromfile(os.path.join(folder, f"{name}.out{i}"), kinds[kind]).astype(np.float64) for i, (_, kind, _) in enumerate(outputs)]


def distance(ours, theirs):
    """Largest difference of all outputs, of the output's largest value."""
    import numpy as np
    worst = 0.0
    for a, b in zip(ours, theirs):
        if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
            return float("inf")
        worst = max(worst, float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30)))
    return worst


class Others:
    """How much of the processors' time other programs take."""

    def __init__(self, workers):
        self.workers, self.begin, self.busy, self.own = workers, time.monotonic(), *self.read(workers)

    @staticmethod
    def read(workers):
        with open("/proc/stat", encoding="utf-8") as stat:
            user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
        own = sum(worker.seconds() for worker in workers) + time.process_time()
        return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK"), own

    def share(self):
        busy, own = self.read(self.workers)
        return max(0.0, busy - self.busy - (own - self.own)) / ((time.monotonic() - self.begin) * os.cpu_count())


# --- one net

class NetBench:
    def __init__(self, net, arguments, found):
        self.net, self.arguments, self.engines = net, arguments, list(found)
        self.folder = os.path.join(WORK, re.sub(r"\W", "_", net))
        self.result = {"net": net, "threads": {}, "others": {}, "start": {}, "ours": {}, "differences": {}, "notes": []}

    def note(self, text):
        say(f"    {text}")
        self.result["notes"].append(text)

    def prepare(self):
        """The ONNX file, and what pnnx makes of it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.options = sweep.without_softmax(options_of(self.net))
        run([sweep.CNNC, *self.options, "--weights=formula", "--emit=onnx", "-o", os.path.join(self.folder, "model.onnx")])
        if {"ncnn", "pytorch"} & set(self.engines):
            try:
                run([os.path.join(VENV, "bin/pnnx"), "model.onnx", "fp16=0"], cwd=self.folder, timeout=WORKER_SECONDS)
                if not os.path.exists(os.path.join(self.folder, "model.ncnn.param")):
                    raise Fault("wrote nothing")
            except (Fault, subprocess.TimeoutExpired) as fault:
                self.engines = [engine for engine in self.engines if engine not in ("ncnn", "pytorch")]
                self.note(f"ncnn and pytorch are left out: pnnx cannot convert the net: {fault}")

    def commands(self, threads):
        """{engine: command} for one number of threads; ours first."""
        commands = {}
        for target in self.arguments.targets:
            for compiler in self.arguments.compilers:
                name = f"cnnc {target} {compiler}" if len(self.arguments.compilers) > 1 else f"cnnc {target}"
                folder = os.path.join(self.folder, re.sub(r"\W", "_", f"{name}_{threads}"))
                try:
                    program, seconds, self.header, lines = compile_ours(self.options, target, compiler, threads, folder)
                except Fault as fault:
                    self.note(f"{name} is left out: {fault}")
                    continue
                commands[name] = [program, os.path.join(folder, "model.weights")]
                if threads == self.arguments.threads[0]:
                    self.result["ours"][name] = {"arena": self.header[2], "weights": self.header[3], "compile_s": seconds, "lines": lines}
        if not commands:
            raise Fault("no code of ours to time")
        self.ours = list(commands)
        self.paths = write_inputs(self.net, self.header[0], self.folder)
        for engine in self.engines:
            commands[engine] = [sys.executable, os.path.join(HERE, "engines.py"), engine, self.folder]
        return commands

    def start(self, commands, threads, stack):
        """Starts every engine; those that cannot are left out."""
        workers = {}
        for name, command in commands.items():
            prefix = os.path.join(self.folder, name.replace(" ", "-") + ".out")
            try:
                worker = Worker(name, [*command, str(threads), prefix, *self.paths], self.folder, threads)
            except Fault as fault:
                self.note(f"{name} is left out with {plural(threads)}: {fault}")
                continue
            stack.callback(worker.end)
            workers[name] = worker
        return workers

    def compare(self, workers):
        """Leaves out an engine that is alone with its outputs; a doubt about ours ends the net."""
        ours = [name for name in self.ours if name in workers]
        if not ours:
            raise Fault("our own code did not run")
        outputs = {name: read_outputs(name.replace(" ", "-"), self.folder, self.header[1]) for name in workers}
        differences = {name: distance(outputs[ours[0]], outputs[name]) for name in workers if name != ours[0]}
        for name, value in differences.items():
            self.result["differences"][name] = max(value, self.result["differences"].get(name, 0.0))
        wrong = [name for name, value in differences.items() if not value <= TOLERANCE]
        agreeing = [name for name in differences if name not in wrong and name not in ours]
        listed = ", ".join(f"{name} by {differences[name]:.1e}" for name in wrong)
        if wrong and (set(wrong) & set(ours) or len(agreeing) < 2):
            raise Fault(f"outputs differ from {ours[0]}: {listed} of the largest value; not timed")
        for name in wrong:
            self.note(f"{name} is left out: its outputs differ by {differences[name]:.1e} of the largest value, {' and '.join(agreeing)} agree with ours")
            workers.pop(name).end()
            if name in self.engines:
                self.engines.remove(name)

    def measure(self, threads):
        commands = self.commands(threads)
        is_first = threads == self.arguments.threads[0]
        for _ in range(self.arguments.starts - 1 if is_first else 0):
            with contextlib.ExitStack() as stack:
                self.note_starts(self.start(commands, threads, stack), threads)
        with contextlib.ExitStack() as stack:
            workers = self.start(commands, threads, stack)
            self.compare(workers)
            self.note_starts(workers, threads)
            rounds = []  # (share of others, {engine: times})
            while sum(share <= BUSY for share, _ in rounds) < self.arguments.rounds and len(rounds) < ROUNDS_MORE * self.arguments.rounds:
                rounds.append(self.one_round(workers, len(rounds), threads))
        rounds = sorted(rounds, key=lambda one: one[0])[:self.arguments.rounds]
        busiest = rounds[-1][0]
        samples = {name: [times[name] for _, times in rounds] for name in workers}
        figures = {name: {"min": min(map(min, times)), "median": statistics.median(sum(times, [])), "runs": sum(map(len, times)),
                          "rounds": [min(values) for values in times]} for name, times in samples.items()}
        self.result["threads"][str(threads)] = figures
        self.result["others"][str(threads)] = busiest
        say(f"    {plural(threads):9}  " + "  ".join(f"{name} {value['min']:.3g}" for name, value in figures.items()) + "  ms" +
            (f"   (noisy: other programs took up to {100 * busiest:.0f} % of the processors' time)" if busiest > BUSY else ""))

    def one_round(self, workers, number, threads):
        """Every engine's runs, in an order that is turned round every time and starts elsewhere every second time."""
        names, others, times = list(workers), Others(list(workers.values())), {}
        turn = number // 2 % len(names)
        order = names[turn:] + names[:turn]
        for name in order if number % 2 == 0 else reversed(order):
            try:
                times[name] = workers[name].time(self.arguments.runs)
            except Fault as fault:
                self.note(f"{name} is left out with {plural(threads)}: {fault}")
                del workers[name]
        return others.share(), times

    def note_starts(self, workers, threads):
        if threads == self.arguments.threads[0]:
            for name, worker in workers.items():
                values = {"first_ms": worker.first_ms, "import_ms": worker.import_ms, "peak_bytes": worker.peak_bytes, "import_bytes": worker.import_bytes}
                known = self.result["start"].get(name)
                if known is None or values["first_ms"] < known["first_ms"]:
                    self.result["start"][name] = values

    def bench(self):
        self.prepare()
        for threads in self.arguments.threads:
            self.measure(threads)
        shutil.rmtree(self.folder, ignore_errors=True)


# --- all of them

def machine(arguments, found):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = re.search(r"^model name\s*: (.*)$", file.read(), re.M)
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False).stdout.strip()
    versions = {"cnnc": run([sweep.CNNC, "--version"]).split("\n")[0] + (f" ({commit})" if commit else "")}
    for compiler in arguments.compilers:
        for target in arguments.targets:
            versions[shlex.join(compile_command(compiler, target))] = run([shlex.split(compiler)[0], "--version"]).split("\n")[0]
    for package in sorted({package for engine in found for package in PACKAGES[engine]}):
        versions[package] = version_of(package)
    return {"cpu": cpu.group(1) if cpu else platform.machine(), "cpus": len(os.sched_getaffinity(0)), "system": f"{platform.system()} {platform.machine()}",
            "versions": versions, "date": datetime.date.today().isoformat(), "load": os.getloadavg()[0],
            "rounds": arguments.rounds, "runs": arguments.runs}


def knows_target(target):
    command = [sweep.CNNC, "zoo:perceptron", "--weights=formula", "--emit=graph", "--target=" + target]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def words_of(command):
    try:
        return shlex.split(command)
    except ValueError as fault:
        raise Fault(f"COMPILERS: {command}: {fault}") from None


def check_folder(folder):
    """Results can be written there; found out before anything is timed."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as fault:
        raise Fault(f"RESULTS: {folder}: {fault.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Fault(f"RESULTS: {folder}: no permission to write there")


def usable(arguments):
    """Leaves out what this machine has not, a line for each; a Fault for what is wrong on every machine."""
    check_folder(arguments.results)
    cpus = len(os.sched_getaffinity(0))
    for threads in [count for count in arguments.threads if not 1 <= count <= cpus]:
        say(f"bench: {threads} threads are left out: there are {cpus} processors")
        arguments.threads.remove(threads)
    for compiler in [command for command in arguments.compilers if shutil.which(words_of(command)[0]) is None]:
        say(f"bench: {compiler} is left out: no such command")
        arguments.compilers.remove(compiler)
    if not arguments.compilers:
        sys.exit("bench: no compiler: set COMPILERS")
    for net in arguments.nets:
        options_of(net)
    unknown = [target for target in arguments.targets or [] if not knows_target(target)]
    arguments.targets = arguments.targets or ["native" if knows_target("native") else "portable"]
    if unknown:
        raise Fault(f"TARGETS: cnnc has no target {' '.join(unknown)}: see cnnc --help")


def parse():
    listed = lambda text: [word for word in re.split(r"[\s;]+" if ";" in text else r"[\s,]+", text) if word]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="checks the harness: two small nets, few runs, nothing to keep")
    parser.add_argument("--rounds", type=int, default=None, help="default 5")
    parser.add_argument("--runs", type=int, default=None, help="of each engine in a round, at least; default 10")
    parser.add_argument("--starts", type=int, default=None, help="of each engine for the first inference; default 3")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--targets", type=listed, help="separated by commas; by semicolons where one has commas; default native, or portable")
    parser.add_argument("--compilers", type=lambda text: [word.strip() for word in text.split(",") if word.strip()], default=["gcc"])
    parser.add_argument("--engines", type=listed, default=list(engines.ENGINES))
    parser.add_argument("--results", help="folder for the tables; default bench/results, for a choice of nets in the build folder")
    parser.add_argument("--update", action="store_true", help="keeps the other nets of the results that are there")
    parser.add_argument("nets", nargs="*", metavar="NET")
    arguments = parser.parse_args()
    for name, usual, quick in (("rounds", 5, 2), ("runs", 10, 3), ("starts", 3, 1)):
        if getattr(arguments, name) is None:
            setattr(arguments, name, quick if arguments.quick else usual)
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} wants a whole number from 1")
    cpus = len(os.sched_getaffinity(0))
    try:
        arguments.threads = [int(word) for word in listed(arguments.threads)]
    except ValueError:
        parser.error("--threads wants whole numbers, such as 1,2")
    if not any(1 <= threads <= cpus for threads in arguments.threads):
        parser.error(f"--threads wants numbers from 1 to {cpus}: there are so many processors")
    unknown = [name for name in arguments.engines if name not in engines.ENGINES]
    if unknown:
        parser.error(f"no such engine: {', '.join(unknown)}; there are {', '.join(engines.ENGINES)}")
    keeps = not arguments.quick and (arguments.update or not arguments.nets)
    arguments.results = arguments.results or os.path.join(HERE if keeps else WORK, "results")
    arguments.nets = arguments.nets or (["lenet5_avgpool_tanh", "mobilenet_v1_25_128"] if arguments.quick else NETS)
    return arguments


def main():
    arguments = parse()
    if not os.path.exists(sweep.CNNC):
        sys.exit(f"bench: no compiler at {os.path.relpath(sweep.CNNC)}: run make")
    try:
        enter_venv(arguments.engines)
        usable(arguments)
        found = present(arguments.engines)
        import report
        results = {"machine": machine(arguments, found), "engines": found, "nets": report.read(arguments.results) if arguments.update else []}
    except Fault as fault:
        sys.exit(f"bench: {fault}")
    if results["machine"]["load"] > 0.5:
        say(f"bench: the machine is busy (load {results['machine']['load']:.1f}): times will be noise")
    stopped, place = [], {net: i for i, net in enumerate(NETS)}
    for number, net in enumerate(arguments.nets, 1):
        begin = time.monotonic()
        say(f"[{number}/{len(arguments.nets)}] {net}")
        one = NetBench(net, arguments, found)
        try:
            one.bench()
        except (Fault, subprocess.TimeoutExpired) as fault:
            one.note(f"stopped: {fault}")
            stopped.append(net)
        before = [known for known in results["nets"] if known["net"] == net]
        now = before if before and net in stopped else [one.result]  # what stopped does not take the place of what did not
        results["nets"] = [known for known in results["nets"] if known["net"] != net] + now
        results["nets"].sort(key=lambda known: place.get(known["net"], len(place)))
        report.write(results, arguments.results)
        say(f"    {time.monotonic() - begin:.0f} s")
    say(report.summary(results))
    say(f"written: {os.path.relpath(arguments.results)}/README.md")
    if stopped:
        sys.exit("bench: stopped: " + " ".join(stopped))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
