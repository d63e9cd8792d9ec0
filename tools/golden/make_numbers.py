#!/usr/bin/env python3
"""Writes tests/golden/numbers/VARIANT.txt: what PyTorch says with formula weights, in float64, before the softmax.

Usage: /usr/bin/python3 tools/golden/make_numbers.py [VARIANT...]       (needs python3-torch, python3-torchvision)
Networks that torchvision defines come from it; the others from the design's layer tables (tables.py). MobileNet variants
without a table of their own have no numbers. For every output: count, argmax, L2 norm, largest magnitude, how far PyTorch's own
float32 is from its float64 (of the largest magnitude), 16 elements.
"""
import os
import sys

import numpy as np
import torch

import nets
import tables
import zoo

FOLDER = os.path.join(zoo.ROOT, "tests/golden/numbers")


def expected(variant, dtype):
    """(where the numbers come from, list of output vectors); None where there is no oracle."""
    if variant in nets.NETS:
        return "torchvision", [nets.logits(variant, dtype)]
    table = variant.removesuffix("+aux")
    if os.path.exists(os.path.join(tables.DESIGN, "networks", table + ".tsv")):
        return "its layer table", tables.run(table, dtype, with_aux=variant.endswith("+aux"))
    return None


def main():
    for variant in sys.argv[1:] or zoo.variants():
        found = expected(variant, torch.float64)
        if found is None:
            continue
        source, outputs = found
        singles = expected(variant, torch.float32)[1]
        with open(os.path.join(FOLDER, variant + ".txt"), "w", encoding="ascii") as out:
            out.write(f"# {variant} from {source}, PyTorch {torch.__version__.split('+')[0]}, float64, formula weights; "
                      "written by tools/golden/make_numbers.py\n")
            for y, single in zip(outputs, singles):
                picks = np.unique(np.linspace(0, len(y) - 1, 16).astype(int))
                out.write(f"output {len(y)}\nargmax {int(y.argmax())}\nl2 {np.linalg.norm(y):.17g}\nmax {np.abs(y).max():.17g}\n"
                          f"float32 {np.abs(single - y).max() / np.abs(y).max():.2e}\n")
                for i in picks:
                    out.write(f"at {i} {y[i]:.17g}\n")
        print(variant, "from", source, [(len(y), int(y.argmax())) for y in outputs], flush=True)


if __name__ == "__main__":
    main()
