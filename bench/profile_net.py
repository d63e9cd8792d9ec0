#!/usr/bin/env python3
"""Where the time of a network goes: every step against what the machine could do.

Usage: bench/profile_net.py [--target native] [--compiler gcc] [--runs N] [--sort] [--options '--no-winograd ...'] NET...
       bench/profile_net.py --portable-share [NET...]        one line a net; without NET the whole zoo
NET: a variant of the zoo, or a .net file. CNNC_BUILD names the build folder (default build).

The network is compiled with --threads-max=2 --split-from=0, and profile_net.c gives it a cnn_parallel_for that times each call; the steps'
names, products and operands are those of `cnnc --emit=program`. One thread, least of N runs.

The bound of a step is the longest of: its multiply-adds, counted directly (a Winograd kernel may be faster), at the measured
FMA rate; its weights, from memory where blob and arena are larger than half of the last cache, else from the cache; its
operands and result from the cache.
"""
import argparse
import os
import re
import shlex
import subprocess
import sys

import bench
from packages import Fault, run

MOVES = ("convert", "copy", "zero_halo")
VECTOR_BYTES = {"x86-64-v2": 16, "x86-64-v3": 32, "znver1": 32, "x86-64-v4": 64, "aarch64": 16, "portable": 16}


# --- what cnnc says

class Program:
    """The text of --emit=program: calls in the order of the run function."""

    def __init__(self, text):
        self.bytes, self.families, self.vectors, self.weights, self.calls = {}, {}, {}, {}, []
        self.target = re.match(r"program .*: target ([^,]+),", text).group(1)
        section = ""
        for line in text.splitlines():
            if not line.startswith(" "):
                section = line.split()[0]
                blob = re.search(r"blob of (\d+) bytes", line)
                self.blob_bytes = int(blob.group(1)) if blob else getattr(self, "blob_bytes", 0)
            else:
                getattr(self, "read_" + section, lambda _: None)(line)

    def read_buffers(self, line):
        shape = re.match(r"  (b\d+) \w+ (\w+)\[([\d,]+)\]", line)
        if shape:
            elements = 1
            for size in shape.group(3).split(","):
                elements *= int(size)
            self.bytes[shape.group(1)] = elements * (1 if shape.group(2) == "u8" else 4)

    def read_kernels(self, line):
        name, family, rest = re.match(r"  (\S+)  ; (\w+)(.*)", line).groups()
        self.families[name] = family
        vectors = re.search(r"vectors of (\d+)", rest)
        self.vectors[name] = int(vectors.group(1)) if vectors else 1

    def read_segments(self, line):
        name, size = re.match(r"  (w\d+) at \d+ (\d+) bytes", line).groups()
        self.weights[name] = int(size)

    def read_steps(self, line):
        halo, out, kernel, operands, title = re.match(r"  \d+: (?:(\S+)\(b\d+\), then )?(b\d+)\S* = ([^(]+)\((.*?)\)  ; (.*)", line).groups()
        macs = re.search(r", (\d+) MACs", title)
        title = re.sub(r", (\d+ MACs|\S+:\d+)", "", title)
        if halo:
            self.calls.append(Call(halo, self.families[halo], self.vectors[halo], "zeros around " + title, 0, 0, 0))
        operands = [word.split("+")[0] for word in re.findall(r"\b[bw]\d+", operands.split(", scratch")[0])]
        read = sum(self.bytes[name] for name in operands if name[0] == "b")
        moved = self.bytes[out] - read if kernel.startswith("frame_") else self.bytes[out] + read  # around what is there already
        weights = sum(self.weights[name] for name in operands if name[0] == "w")
        self.calls.append(Call(kernel, self.families[kernel], self.vectors[kernel], title, int(macs.group(1)) if macs else 0, weights, moved))


class Call:
    def __init__(self, kernel, family, vector, title, macs, weights, moved):
        self.kernel, self.family, self.vector, self.title = kernel, family, vector, title
        self.macs, self.weights, self.moved, self.ms = macs, weights, moved, 0.0

    def is_portable(self):
        return self.vector == 1

    def bound(self, machine, in_cache):
        """Milliseconds."""
        memory = machine["cache"] if in_cache else machine["memory"]
        return max(2e-6 * self.macs / machine["fma"], 1e-6 * self.weights / memory, 1e-6 * self.moved / machine["cache"])


def measure(net, arguments):
    """The program with times, and the machine's rates."""
    folder = os.path.join(bench.sweep.BUILD, "profile", re.sub(r"\W", "_", net))
    os.makedirs(folder, exist_ok=True)
    options = [*bench.options_of(net), "--target=" + arguments.target, "--threads-max=2", "--split-from=0", "--name=model", *shlex.split(arguments.options)]
    program = Program(subprocess.run([bench.sweep.CNNC, *options, "--emit=program"], check=True, capture_output=True, text=True).stdout)
    model = os.path.join(folder, "model.c")
    run([bench.sweep.CNNC, *options, "--weights=formula", "--no-embed-weights", "-o", model])
    bench.write_ports(bench.read_header(model[:-2] + ".h"), folder)
    tool = os.path.join(folder, "profile_net")
    run([*bench.compile_command(arguments.compiler, program.target), f"-DVECTOR_BYTES={VECTOR_BYTES[program.target]}", "-I" + folder,
         "-I" + os.path.join(bench.ROOT, "runtime"), os.path.join(bench.HERE, "profile_net.c"), *bench.HELPERS, "-o", tool, "-pthread", "-lm"])
    scale = "255" if net.startswith("style_") else "1"
    answer = subprocess.run([tool, model[:-2] + ".weights", str(arguments.runs), scale], check=True, capture_output=True, text=True).stdout
    machine, times = {}, []
    for line in answer.splitlines():
        name, value = line.split()
        if name == "call":
            times.append(float(value))
        else:
            machine[name] = float(value)
    if len(times) != len(program.calls):
        raise Fault(f"{net}: {len(times)} calls were timed, but --emit=program has {len(program.calls)}")
    for call, ms in zip(program.calls, times):
        call.ms = ms
    return program, machine


# --- what we say

def shares(calls, total):
    return 100 * sum(call.ms for call in calls) / total


def print_table(net, program, machine, arguments):
    calls = program.calls
    total = sum(call.ms for call in calls)
    in_cache = program.blob_bytes + machine["arena_bytes"] < machine["cache_bytes"] / 2
    print(f"{net}, target {program.target}, {arguments.compiler}, one thread, least of {arguments.runs} runs: {machine['whole']:.3f} ms; "
          f"sum of {len(calls)} calls {total:.3f} ms\n"
          f"bounds measured in the same run: {machine['fma']:.0f} GFLOP/s, cache {machine['cache']:.0f} GB/s, memory {machine['memory']:.0f} GB/s; "
          f"weights come from {'the cache' if in_cache else 'memory'}\n")
    print(f"{'step':>4}  {'ms':>8}  {'%':>5}  {'GFLOP/s':>7}  {'% bound':>7}  {'family':<16} kernel: title")
    order = sorted(range(len(calls)), key=lambda i: -calls[i].ms if arguments.sort else i)
    for i in order:
        call = calls[i]
        rate = f"{2e-6 * call.macs / call.ms:7.0f}" if call.macs and call.ms else " " * 7
        bound = 100 * call.bound(machine, in_cache) / call.ms if call.ms else 100
        family = call.family + ("" if call.vector > 1 else " *")
        print(f"{i:4}  {call.ms:8.4f}  {100 * call.ms / total:5.1f}  {rate}  {bound:7.0f}  {family:<16} {call.kernel}: {call.title}")
    print(f"\n{'family':<18}  {'calls':>5}  {'ms':>8}  {'%':>5}  {'GFLOP/s':>7}  {'% bound':>7}")
    families = sorted({(call.family, call.vector > 1) for call in calls})
    parts = [(family + ("" if vector else " *"), [c for c in calls if c.family == family and (c.vector > 1) == vector]) for family, vector in families]
    for name, part in [*sorted(parts, key=lambda part: -shares(part[1], total)), ("all", calls)]:
        ms, macs = sum(call.ms for call in part), sum(call.macs for call in part)
        rate = f"{2e-6 * macs / ms:7.0f}" if macs and ms else " " * 7
        bound = 100 * sum(call.bound(machine, in_cache) for call in part) / ms if ms else 100
        print(f"{name:<18}  {len(part):>5}  {ms:8.4f}  {100 * ms / total:5.1f}  {rate}  {bound:7.0f}")
    portable = [call for call in calls if call.is_portable()]
    print(f"\n* portable kernels, one number at a time: {len(portable)} calls, {shares(portable, total):.1f} %")


def print_share(net, program):
    """Portable kernels, and what only moves numbers."""
    total = sum(call.ms for call in program.calls)
    portable = [call for call in program.calls if call.is_portable()]
    moves = [call for call in program.calls if call.family in MOVES]
    worst = {}
    for call in {id(call): call for call in portable + moves}.values():
        worst[call.family] = worst.get(call.family, 0.0) + call.ms
    names = ", ".join(f"{family} {100 * ms / total:.1f}" for family, ms in sorted(worst.items(), key=lambda item: -item[1]) if ms > 0.001 * total)
    print(f"{net:<38} {total:9.3f}  {shares(portable, total):8.1f}  {shares(moves, total):5.1f}  {names}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET")
    parser.add_argument("--target", default="native")
    parser.add_argument("--compiler", default="gcc", help="with flags of its own, or -O3 and -march of the target")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--options", default="", help="more options for cnnc")
    parser.add_argument("--sort", action="store_true", help="by time, not in order")
    parser.add_argument("--portable-share", action="store_true", help="one line a net: how much runs on portable kernels, and how much only moves numbers")
    arguments = parser.parse_args()
    if not arguments.nets and not arguments.portable_share:
        parser.error("which net? see cnnc --list-zoo")
    if arguments.runs < 1:
        parser.error("--runs wants a whole number from 1")
    if not os.path.exists(bench.sweep.CNNC):
        sys.exit(f"profile_net: no compiler at {os.path.relpath(bench.sweep.CNNC)}: run make")
    if arguments.portable_share:
        print(f"{'net':<38} {'ms':>9}  {'portable':>8}  {'moves':>5}  % by family")
    failed = []
    for net in arguments.nets or bench.variants():
        try:
            program, machine = measure(net, arguments)
        except (Fault, subprocess.CalledProcessError) as fault:
            failed.append(net)
            print(f"profile_net: {net}: {getattr(fault, 'stderr', None) or fault}", file=sys.stderr)
            continue
        if arguments.portable_share:
            print_share(net, program)
        else:
            print_table(net, program, machine, arguments)
    if failed:
        sys.exit("profile_net: failed: " + " ".join(failed))


if __name__ == "__main__":
    main()
