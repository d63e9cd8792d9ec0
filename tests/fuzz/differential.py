#!/usr/bin/env python3
"""Random networks as generated C against PyTorch: shapes, paddings, strides, groups, sharing, batches, threads, many outputs.

Usage: /usr/bin/python3 tests/fuzz/differential.py [--seconds N | --count N] [--seed S] [--cnnc FILE] [--target NAME] [--cc COMMAND] [--large] [--show]
Each net follows from its seed alone. A net fails where cnnc refuses it or --verify complains, the C draws a warning, a byte beyond
arena or output changes, the number of threads changes a bit of the result, or max|C - PyTorch| exceeds 1e-5 * max|PyTorch|, both
PyTorch's in float64 (where PyTorch's own float32 is worse than that, four times its error; 3e-4 for --large with Winograd).
Exit status 1 where a net failed; its .net is printed.
"""
import argparse
import ctypes
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

from random_large_net import RandomLargeNet
from random_net import ROOT, RandomNet

TOLERANCE = 1e-5
WINOGRAD_TOLERANCE = 3e-4    # one layer F(7x7,3x3) has errors of up to 4e-5, and tanh behind it makes them more of its maximum
GUARD = 4096            # bytes after arena and outputs that must stay as they were
WARNINGS = "-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"


def guarded(count_bytes, fill):
    """A buffer on a multiple of 64 bytes with a guard behind it: (array, address)."""
    array = np.full(count_bytes + GUARD + 64, fill, dtype=np.uint8)
    return array, array.ctypes.data + -array.ctypes.data % 64


def guard_is_whole(array, address, count_bytes, fill):
    start = address - array.ctypes.data + count_bytes
    return bool((array[start:] == fill).all())


def run_tool(command, what):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{what}: exit status {done.returncode}\n{done.stderr[:3000]}")
    return done


def check(seed, net, args, work):
    """Raises AssertionError with what is wrong with the net's C."""
    r = random.Random(seed * 7 + 1)
    source = os.path.join(work, "fuzz.net")
    with open(source, "w", encoding="utf-8") as file:
        file.write(net.text())
    threads = r.choice([1, 1, 2, 3, 8])
    embed = r.random() < 0.3
    winograd = not args.large or r.random() < 0.7
    options = ([] if winograd else ["--no-winograd"]) + ["--target=" + args.target, "--weights=formula", f"--batch={net.batch}", f"--threads-max={threads}", "--verify-ir",
               "--embed-weights" if embed else "--no-embed-weights"] + (["--verify"] if r.random() < 0.3 else [])
    run_tool([args.cnnc, source, *options, "-o", os.path.join(work, "fuzz.c")], "cnnc " + " ".join(options))
    library = os.path.join(work, f"fuzz{seed}.so")
    run_tool([*shlex.split(args.cc), *WARNINGS.split(), "-shared", "-fPIC", os.path.join(work, "fuzz.c"), "-o", library, "-lm"], args.cc)
    with open(os.path.join(work, "fuzz.h"), encoding="utf-8") as file:
        header = file.read()
    constants = {}
    for name, text in re.findall(r"\b(FUZZ_\w+)\s*=\s*([\d* ]+)", header):
        constants[name] = int(np.prod([int(factor) for factor in text.split("*")]))
    model = ctypes.CDLL(library)
    os.remove(library)
    handle = ctypes.create_string_buffer(4096)
    arena_bytes = constants["FUZZ_ARENA_BYTES"]
    blob_array, blob_address, blob_bytes = None, 0, 0
    weights_file = os.path.join(work, "fuzz.weights")
    if constants["FUZZ_WEIGHTS_BYTES"] > 0:
        blob = np.fromfile(weights_file, dtype=np.uint8)
        blob_bytes = len(blob)
        assert blob_bytes == constants["FUZZ_WEIGHTS_BYTES"], "size of the weights file"
        blob_array, blob_address = guarded(blob_bytes, 0)
        start = blob_address - blob_array.ctypes.data
        blob_array[start:start + blob_bytes] = blob
    assert all(f"FUZZ_OUT{i}_ELEMENTS" in constants for i in range(len(net.outputs))), "an output without constant"
    tolerance = WINOGRAD_TOLERANCE if args.large and winograd else TOLERANCE
    first = None
    for run_threads in sorted({1, threads}):
        fill = 0xFF    # as a float: not a number
        arena, arena_address = guarded(arena_bytes, fill)
        status = model.fuzz_init(handle, ctypes.c_void_p(blob_address or None), ctypes.c_size_t(blob_bytes),
                                 ctypes.c_void_p(arena_address), ctypes.c_size_t(arena_bytes))
        assert status == 0, f"init: status {status}"
        pool_handle = ctypes.c_void_p()
        if run_threads > 1:
            status = args.threads.cnn_threads_create(ctypes.byref(pool_handle), ctypes.c_int(run_threads))
            assert status == 0, f"cnn_threads_create: status {status}"
            model.fuzz_set_parallel(handle, args.threads.cnn_threads_run, pool_handle)
        inputs = [np.ascontiguousarray(data) for _, data in net.inputs]
        copies = [data.copy() for data in inputs]
        results = []
        for _, value in net.outputs:
            results.append((value, *guarded(value.tensors[0].numel() * 4, fill)))
        pointers = [ctypes.c_void_p(data.ctypes.data) for data in inputs] + [ctypes.c_void_p(result[2]) for result in results]
        for _ in range(2):    # a second run finds the arena dirty
            status = model.fuzz_run(handle, *pointers)
            assert status == 0, f"run: status {status}"
        if run_threads > 1:
            args.threads.cnn_threads_destroy(pool_handle)
        assert guard_is_whole(arena, arena_address, arena_bytes, fill), "bytes behind the arena changed"
        assert all((a == b).all() for a, b in zip(inputs, copies)), "an input changed"
        worst, bits = 0.0, []
        for (name, _), (value, array, address) in zip(net.outputs, results):
            count = value.tensors[0].numel()
            assert guard_is_whole(array, address, count * 4, fill), f"bytes behind {name} changed"
            start = address - array.ctypes.data
            mine = array[start:start + count * 4].view(np.float32)
            bits.append(mine.copy())
            exact = value.tensors[0].numpy().ravel()
            peak = max(np.abs(exact).max(), 1e-30)
            error = np.abs(mine.astype(np.float64) - exact).max() / peak
            torch_error = np.abs(value.tensors[1].numpy().ravel().astype(np.float64) - exact).max() / peak
            assert error <= max(tolerance, 4 * torch_error), f"{name}: error {error:.3g} of the maximum (PyTorch's float32: {torch_error:.3g})"
            worst = max(worst, error)
        if first is None:
            first = bits
        assert all((a.view(np.uint32) == b.view(np.uint32)).all() for a, b in zip(first, bits)), f"{run_threads} threads change the result"
    return worst


def load_threads(work, compiler):
    library = os.path.join(work, "threads.so")
    run_tool([*shlex.split(compiler), "-shared", "-fPIC", "-pthread", "-I" + os.path.join(ROOT, "runtime"),
              os.path.join(ROOT, "runtime/cnn_threads.c"), "-o", library], "cnn_threads.c")
    return ctypes.CDLL(library)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cnnc", default=os.path.join(ROOT, os.environ.get("CNNC_BUILD", "build"), "cnnc"))
    parser.add_argument("--target", default="portable", help="of cnnc; --cc must fit it")
    parser.add_argument("--cc", default="gcc -O1")
    parser.add_argument("--large", action="store_true", help="fewer layers of more channels, for the kernels of vector targets")
    parser.add_argument("--show", action="store_true", help="print the nets")
    args = parser.parse_args()
    torch.set_num_threads(1)
    failures, worst, seed = 0, 0.0, args.seed
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        args.threads = load_threads(work, "gcc -O1")
        while seed - args.seed < args.count if args.count else time.monotonic() - start < args.seconds:
            net = RandomLargeNet(seed) if args.large else RandomNet(seed)
            if args.show:
                print(net.text())
            try:
                worst = max(worst, check(seed, net, args, work))
            except (AssertionError, subprocess.TimeoutExpired) as fault:
                failures += 1
                print(f"seed {seed}: {fault}\n{net.text()}", flush=True)
            seed += 1
    print(f"{seed - args.seed} random nets, {failures} failed; largest error {worst:.2g} of the maximum")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
