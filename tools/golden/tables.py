"""The layer tables of the design (networks/NAME.tsv) as runnable graphs: an oracle that knows nothing of our .net files.

A table lists every layer: id, section, op, name, inputs, attributes, output shape, parameters, MACs, weights with shapes.
Evaluated with PyTorch in the dtype asked for, formula weights and formula inputs.
"""
import os
import re

import torch
from torch.nn import functional as F

import formula

DESIGN = os.path.join(os.path.dirname(__file__), "../../../shared/design")
# Nets whose outputs are read by other layers too: ids of the output layers.
OUTPUTS = {"vgg16_loss_features": [5, 10, 17, 24], "style_loss_graph": [65, 138, 151, 152]}
C3_TABLE = ["012", "123", "234", "345", "045", "015", "0123", "1234", "2345", "0345", "0145", "0125", "0134", "1245", "0235", "012345"]


def read(name):
    """Rows of a table, as dicts; 'weights' is a list of (name, shape)."""
    rows = []
    with open(os.path.join(DESIGN, "networks", name + ".tsv"), encoding="utf-8") as file:
        lines = file.read().split("\n")
    head = lines[1].split("\t")
    for line in lines[2:]:
        if not line:
            continue
        row = dict(zip(head, line.split("\t") + [""] * 10))
        row["weights"] = [(n, tuple(int(v) for v in s.split(","))) for n, s in re.findall(r"(\S+?)\[([\d,]+)\]", row["weights"])]
        row["attrs"] = dict(re.findall(r"(\w+)=(\[[^\]]*\]|\S+)", row["attrs"]))
        rows.append(row)
    return rows


def ints(text, separator):
    return [int(v) for v in text.split(separator)]


def same_padded(x, attrs, value=0.0):
    top, left, bottom, right = ints(attrs["pad"], ",")
    return F.pad(x, (left, right, top, bottom), value=value)


def convolve(x, row, weights, attrs):
    if attrs.get("table"):
        kernel, bias = weights
        dense = torch.zeros(len(C3_TABLE), x.shape[1], *kernel.shape[1:], dtype=x.dtype)
        connection = 0
        for out, inputs in enumerate(C3_TABLE):
            for channel in inputs:
                dense[out, int(channel)] = kernel[connection]
                connection += 1
        weights = [dense, bias]
    bias = weights[1] if attrs["bias"] == "1" else None
    return F.conv2d(same_padded(x, attrs), weights[0], bias, stride=ints(attrs["s"], "x"), groups=int(attrs["g"]))


def pool_max(x, attrs):
    kernel, stride = ints(attrs["k"], "x"), ints(attrs["s"], "x")
    return F.max_pool2d(same_padded(x, attrs, -torch.inf), kernel, stride, ceil_mode=attrs["ceil"] == "1")


def pool_avg(x, attrs):
    kernel, stride = ints(attrs["k"], "x"), ints(attrs["s"], "x")
    pad = ints(attrs["pad"], ",")
    assert len(set(pad)) == 1
    return F.avg_pool2d(x, kernel, stride, pad[0], ceil_mode=attrs["ceil"] == "1", count_include_pad=attrs["count_include_pad"] == "1")


def normalise_locally(x, attrs):
    size = int(attrs["n"])
    alpha = float(attrs["alpha"]) / (size if attrs["alpha_div_n"] == "1" else 1)
    squares = F.pad(x * x, (0, 0, 0, 0, size // 2, (size - 1) // 2))
    total = sum(squares[:, i:i + x.shape[1]] for i in range(size))
    return x / (float(attrs["k"]) + alpha * total) ** float(attrs["beta"])


ACTIVATIONS = {
    "relu": F.relu, "relu6": F.relu6, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "silu": F.silu,
    "stanh": lambda x: 1.7159 * torch.tanh(x * 2 / 3), "step": lambda x: (x >= 0).to(x.dtype),
    "softmax": lambda x: F.softmax(x, dim=1),
}


def per_channel(text, x):
    return torch.tensor([float(v) for v in text.strip("[]").split()], dtype=x.dtype).view(1, -1, 1, 1)


def evaluate(row, x, weights):
    """One layer; x: its inputs, with a batch of 1 in front."""
    op, attrs = row["op"], row["attrs"]
    a = x[0]
    if op == "conv":
        return convolve(a, row, weights, attrs)
    if op == "conv_transpose":
        pad = ints(attrs["pad"], ",")[0]
        return F.conv_transpose2d(a, weights[0], weights[1], ints(attrs["s"], "x"), pad, int(attrs["output_padding"]))
    if op == "dense":
        return F.linear(a.flatten(1), weights[0], weights[1] if attrs["bias"] == "1" else None)
    if op == "bn":
        scale = weights[0] if attrs["scale"] == "1" else None
        rest = weights[1:] if attrs["scale"] == "1" else weights
        return F.batch_norm(a, rest[1], rest[2], scale, rest[0], eps=float(attrs["eps"]))
    if op == "inorm":
        return F.instance_norm(a, weight=weights[0], bias=weights[1], eps=float(attrs["eps"]))
    if op == "act":
        return ACTIVATIONS[attrs["kind"]](a)
    if op == "maxpool":
        return pool_max(a, attrs)
    if op == "avgpool":
        return pool_avg(a, attrs)
    if op == "subsample":
        kernel = ints(attrs["k"], "x")
        total = F.avg_pool2d(a, kernel) * (kernel[0] * kernel[1])
        return total * weights[0].view(1, -1, 1, 1) + weights[1].view(1, -1, 1, 1)
    if op == "add":
        return a + x[1] * float(attrs.get("scale_b", 1))
    if op == "mul_bcast":
        return a * x[1]
    if op == "affine_const":
        return a * per_channel(attrs["scale"], a) + per_channel(attrs["shift"], a)
    if op == "pad":
        top, left, bottom, right = ints(attrs["pad"], ",")
        return F.pad(a, (left, right, top, bottom), mode={"zero": "constant", "reflect": "reflect"}[attrs["mode"]])
    if op == "flatten":
        return (a.permute(0, 2, 3, 1) if attrs["order"] == "HWC" else a).flatten(1)
    if op == "gram":
        f = a.flatten(2)
        return f @ f.transpose(1, 2) / (f.shape[1] * f.shape[2])
    if op == "weighted_sum":
        return sum(float(w) * v for w, v in zip(attrs["w"].strip("[]").split(), x))
    simple = {
        "lrn": lambda: normalise_locally(a, attrs), "concat": lambda: torch.cat(x, 1), "dropout": lambda: a,
        "gap": lambda: a.mean((2, 3), keepdim="x" in row["out_shape"]), "adaptive_avgpool": lambda: F.adaptive_avg_pool2d(a, int(attrs["out"])),
        "upsample": lambda: F.interpolate(a, scale_factor=int(attrs["factor"])), "mse": lambda: ((a - x[1]) ** 2).mean().view(1, 1),
        "crop": lambda: a[:, :, int(attrs["crop"]):-int(attrs["crop"]), int(attrs["crop"]):-int(attrs["crop"])],
        "rbf": lambda: ((a[:, None] - weights[0][None]) ** 2).sum(2), "l2norm": lambda: F.normalize(a, eps=float(attrs["eps"])),
    }
    return simple[op]()


def run(name, dtype=torch.float64, with_aux=False, before_softmax=True):
    """The outputs of a table, in our order (the net's own first, then auxiliary heads): float64 vectors, without batch.

    Outputs are the layers that no other reads, but where OUTPUTS says otherwise. Heads end before their softmax too."""
    values, rows = {}, read(name)
    is_read = set()
    weights = {}
    with torch.no_grad():
        for row in rows:
            if row["section"] != "main" and not with_aux:
                continue
            if row["op"] == "input":
                shape = tuple(ints(row["out_shape"], "x"))
                value = torch.from_numpy(image(name, row["name"], shape)).to(dtype)[None]
            else:
                inputs = [int(i) for i in row["inputs"].split(",")]
                if row["op"] == "act" and row["attrs"]["kind"] == "softmax" and before_softmax:
                    continue
                is_read.update(inputs)
                for weight, shape in row["weights"]:
                    if weight not in weights:
                        weights[weight] = torch.from_numpy(formula.weight(weight, shape)).to(dtype)
                value = evaluate(row, [values[i] for i in inputs], [weights[w] for w, _ in row["weights"]])
            expected = 1
            for size in ints(row["out_shape"], "x"):
                expected *= size
            assert value.numel() == expected, (row["id"], value.shape, row["out_shape"])
            values[int(row["id"])] = value
    section = {int(row["id"]): row["section"] for row in rows}
    ends = OUTPUTS.get(name) or sorted((i for i in values if i not in is_read), key=lambda i: (section[i] == "main", i))
    return [values[i].flatten().double().numpy() for i in ends]


def image(net, name, shape):
    """The formula image of an input; 0..255 for the style networks."""
    if net.startswith("style_") or net == "vgg16_loss_features":
        import numpy as np
        return (255 * formula.uniform(name, int(np.prod(shape)))).astype(np.float32).reshape(shape)
    return formula.image(shape, name)
