#!/usr/bin/env python3
"""Writes tests/golden/numbers/NET.txt: what PyTorch says with formula weights, in float64, before the softmax.

Usage: /usr/bin/python3 tools/golden/make_numbers.py [NET...]       (needs python3-torch, python3-torchvision)
A file holds: count, argmax, L2 norm, largest magnitude, and 16 elements spread over the vector.
"""
import os
import sys

import numpy as np
import torch

import nets

FOLDER = os.path.join(os.path.dirname(__file__), "../../tests/golden/numbers")


def main():
    for name in sys.argv[1:] or nets.NETS:
        net_file, settings, _, _ = nets.NETS[name]
        y = nets.logits(name, torch.float64)
        picks = np.unique(np.linspace(0, len(y) - 1, 16).astype(int))
        with open(os.path.join(FOLDER, name + ".txt"), "w", encoding="ascii") as out:
            out.write(f"# PyTorch {torch.__version__.split('+')[0]}, float64, formula weights; written by tools/golden/make_numbers.py\n")
            out.write(f"net {net_file}\n")
            for setting in settings:
                out.write(f"define {setting}\n")
            out.write(f"count {len(y)}\nargmax {int(y.argmax())}\nl2 {np.linalg.norm(y):.17g}\nmax {np.abs(y).max():.17g}\n")
            for i in picks:
                out.write(f"at {i} {y[i]:.17g}\n")
        print(name, "argmax", int(y.argmax()), "max", np.abs(y).max())


if __name__ == "__main__":
    main()
