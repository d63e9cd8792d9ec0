#!/usr/bin/env python3
"""Compares generated C with PyTorch, every logit, formula weights on both sides.

Usage: /usr/bin/python3 tools/golden/compare.py [--cc 'gcc -O3 -march=native'] [--option OPTION]... [VARIANT...]
VARIANT: those that torchvision defines; by default all of them. CNNC names another compiler than build/cnnc. The code is for this
machine; without -march=native it takes another target: --cc 'gcc -O2' --option=--target=portable.
Prints max|C - PyTorch| / max|PyTorch| for PyTorch in float32 and in float64; exit status 1 where the float32 figure is above 1e-5.
"""
import argparse
import ctypes
import os
import re
import subprocess
import sys

import numpy as np
import torch

import formula
import nets

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))


def build(name, compiler, options, work):
    """Compiles a variant with cnnc and cc; returns (shared object, weights, arena bytes)."""
    source = os.path.join(work, name + ".c")
    subprocess.run([os.environ.get("CNNC", os.path.join(ROOT, "build/cnnc")), "zoo:" + name, "-D", "probabilities=false", "--weights=formula", "--no-embed-weights",
                    "--name=model", *options, "-o", source], check=True)
    library = os.path.join(work, name + ".so")
    subprocess.run([*compiler.split(), "-shared", "-fPIC", source, "-o", library, "-lm"], check=True)
    with open(os.path.join(work, name + ".h"), encoding="utf-8") as header:
        arena_bytes = int(re.search(r"MODEL_ARENA_BYTES = (\d+)", header.read()).group(1))
    return library, os.path.join(work, name + ".weights"), arena_bytes


def run(name, library, weights, arena_bytes, count):
    """The logits that the generated C computes for the formula image."""
    side, _ = nets.NETS[name]
    model = ctypes.CDLL(library)
    blob = np.fromfile(weights, dtype=np.uint8)
    aligned = np.zeros(len(blob) + 64, dtype=np.uint8)
    start = -aligned.ctypes.data % 64
    aligned[start:start + len(blob)] = blob
    arena = np.full(arena_bytes + 64, 0xFF, dtype=np.uint8)
    net = ctypes.create_string_buffer(4096)
    status = model.model_init(net, ctypes.c_void_p(aligned.ctypes.data + start), ctypes.c_size_t(len(blob)),
                              ctypes.c_void_p(arena.ctypes.data + -arena.ctypes.data % 64), ctypes.c_size_t(arena_bytes))
    assert status == 0, f"init: status {status}"
    image = formula.image((3, side, side))
    out = np.zeros(count, dtype=np.float32)
    status = model.model_run(net, image.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p))
    assert status == 0, f"run: status {status}"
    return out.astype(np.float64)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc", default="gcc -O3 -march=native")
    parser.add_argument("--option", action="append", default=[])
    parser.add_argument("nets", nargs="*")
    arguments = parser.parse_args()
    work = os.path.join(ROOT, "build/compare")
    os.makedirs(work, exist_ok=True)
    worst = 0.0
    for name in arguments.nets or nets.NETS:
        single, double = nets.logits(name, torch.float32), nets.logits(name)
        ours = run(name, *build(name, arguments.cc, arguments.option, work), len(double))
        scale = np.abs(single).max()
        difference = np.abs(ours - single).max() / scale
        worst = max(worst, difference)
        print(f"{name:22} argmax {int(ours.argmax()):4} {int(single.argmax()):4}   against float32 {difference:.2e}   "
              f"against float64 {np.abs(ours - double).max() / scale:.2e}", flush=True)
    sys.exit(1 if worst > 1e-5 else 0)


if __name__ == "__main__":
    main()
