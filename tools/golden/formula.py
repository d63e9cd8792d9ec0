"""Weights and inputs made from names: the same numbers as `cnnc --weights=formula`, written independently with numpy.

FNV-1a of the tensor's name seeds murmur3's finaliser; see compiler/weights/formula.c for the ranges.
"""
import numpy as np


def uniform(name, count):
    """`count` values in [0, 1) that depend on the name alone, float64."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    z = (np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B9)) & np.uint64(0xFFFFFFFF)
    z ^= z >> np.uint64(16)
    z = (z * np.uint64(0x85EBCA6B)) & np.uint64(0xFFFFFFFF)
    z ^= z >> np.uint64(13)
    z = (z * np.uint64(0xC2B2AE35)) & np.uint64(0xFFFFFFFF)
    z ^= z >> np.uint64(16)
    return z.astype(np.float64) / 2.0**32


def weight(name, shape):
    """A weight tensor, float32."""
    u = uniform(name, int(np.prod(shape)))
    role = name.rsplit(".", 1)[-1]
    if role == "running_var":
        value = 0.75 + 0.5 * u
    elif role in ("running_mean", "bias"):
        value = (2 * u - 1) * 0.1
    elif role == "weight" and len(shape) == 1:
        value = 0.75 + 0.5 * u
    else:
        value = (2 * u - 1) * np.sqrt(6.0 / np.prod(shape[1:]))
    return value.astype(np.float32).reshape(shape)


def image(shape, name="input"):
    """An input tensor of the given shape, float32, values in [-1, 1)."""
    return (2 * uniform(name, int(np.prod(shape))) - 1).astype(np.float32).reshape(shape)
