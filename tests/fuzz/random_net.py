"""Random legal nets: their text and, at the same time, what PyTorch computes for them.

Each net follows from its seed alone. Weights are those of `--weights=formula`, written a second time by tools/golden/formula.py.
"""
import os
import random
import sys

import numpy as np
import torch
import torch.nn.functional as F

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(ROOT, "tools/golden"))
import formula  # noqa: E402


class Value:
    """A tensor of the net: its name in the .net file, its shape without batch, PyTorch's result in float64 and float32."""

    def __init__(self, name, tensors):
        self.name, self.tensors = name, tensors

    @property
    def shape(self):
        return tuple(self.tensors[0].shape[1:])


def per_channel(t, x):
    return t.reshape([1, -1] + [1] * (x.dim() - 2))


def four(pad):
    """top, left, bottom, right as F.pad wants them."""
    return (pad[1], pad[3], pad[0], pad[2])


def same_pads(size, kernel, stride, dilation=(1, 1)):
    pads = [0, 0, 0, 0]
    for axis in (0, 1):
        out = -(-size[axis] // stride[axis])
        total = max((out - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - size[axis], 0)
        pads[axis], pads[axis + 2] = total // 2, total - total // 2
    return pads


def pool_windows(size, kernel, stride, before, after, ceil):
    """Windows along one axis, as PyTorch counts them."""
    span = size + before + after - kernel
    count = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= size + before:
        count -= 1
    return count


def pool(x, kernel, stride, pad, ceil, kind, count_pad):
    """Pooling written from its definition: PyTorch's own takes no asymmetric padding."""
    height, width = x.shape[2:]
    rows = pool_windows(height, kernel[0], stride[0], pad[0], pad[2], ceil)
    columns = pool_windows(width, kernel[1], stride[1], pad[1], pad[3], ceil)
    result = x.new_empty((x.shape[0], x.shape[1], rows, columns))
    for i in range(rows):
        top = i * stride[0] - pad[0]
        for j in range(columns):
            left = j * stride[1] - pad[1]
            window = x[:, :, max(top, 0):top + kernel[0], max(left, 0):left + kernel[1]]
            if kind == "max":
                result[:, :, i, j] = window.amax((2, 3))
            else:
                divisor = window.shape[2] * window.shape[3]
                if count_pad:
                    divisor = ((min(top + kernel[0], height + pad[2]) - top)
                               * (min(left + kernel[1], width + pad[3]) - left))
                result[:, :, i, j] = window.sum((2, 3)) / divisor
    return result


class RandomNet:
    """Writes a random net of small tensors and computes it with PyTorch at the same time."""

    MAX_ELEMENTS = 30000    # of one tensor, per image

    ACTIVATIONS = {
        "relu": F.relu, "relu6": F.relu6, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "silu": F.silu,
        "hard_sigmoid": F.hardsigmoid, "hard_swish": F.hardswish, "gelu": F.gelu, "softplus": F.softplus,
        "leaky_relu(slope=0.125)": lambda x: F.leaky_relu(x, 0.125), "leaky_relu(slope=1.5)": lambda x: F.leaky_relu(x, 1.5),
        "elu(alpha=0.75)": lambda x: F.elu(x, 0.75), "scaled_tanh": lambda x: 1.7159 * torch.tanh(x * 2 / 3),
        "clamp(-0.5, 0.75)": lambda x: x.clamp(-0.5, 0.75), "scale(-1.25)": lambda x: x * -1.25, "identity": lambda x: x,
        "dropout(0.3)": lambda x: x,
    }

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lines, self.values, self.outputs, self.counter = [], [], [], 0
        self.shared = []    # (path, weights, function) of convolutions that can be called again
        self.batch = self.random.choice([1, 1, 1, 2, 3])
        self.inputs = []
        self.make()
        self.choose_outputs()

    def make(self):
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            shape = (self.random.randint(1, 13), self.random.randint(1, 17), self.random.randint(1, 17))
            if self.random.random() < 0.15:
                shape = (self.random.randint(1, 40),)
            self.input(shape)
        for _ in range(self.random.randint(1, 14)):
            self.step()

    def input(self, shape):
        name = f"in{len(self.inputs)}"
        data = formula.image((self.batch,) + shape, name)
        self.lines.append(f"input {name}: f32[{', '.join(map(str, shape))}]")
        self.values.append(Value(name, (torch.from_numpy(data).double(), torch.from_numpy(data))))
        self.inputs.append((name, data))
        return self.values[-1]

    def text(self):
        body = "".join(f"    {line}\n" for line in self.lines)
        return f"net fuzz {{\n{body}}}\n"

    def fresh(self):
        self.counter += 1
        return f"v{self.counter}"

    def put(self, expression, function, *weights):
        """A statement `v = expression`; function maps (inputs' tensors..., weights) of either precision to the result."""
        name = self.fresh()
        results = []
        for precision, dtype in ((0, torch.float64), (1, torch.float32)):
            results.append(function(precision, *[torch.from_numpy(w).to(dtype) for w in weights]))
        if results[0].numel() > self.MAX_ELEMENTS * self.batch or not torch.isfinite(results[0]).all():
            return None
        self.lines.append(f"{name} = {expression}")
        value = Value(name, tuple(results))
        self.values.append(value)
        return value

    def pick(self, rank=None):
        fitting = [v for v in self.values if rank is None or len(v.shape) == rank]
        if not fitting:
            return None
        # The newest half of the time, so that chains form.
        return fitting[-1] if self.random.random() < 0.6 else self.random.choice(fitting)

    def pair(self, values):
        value = (self.random.choice(values), self.random.choice(values))
        return (value[0], value[0]) if self.random.random() < 0.6 else value

    @staticmethod
    def pair_text(value):
        return str(value[0]) if value[0] == value[1] else f"[{value[0]}, {value[1]}]"

    def step(self):
        kinds = [self.conv] * 8 + [self.depthwise] * 3 + [self.pool] * 4 + [self.activation] * 3 + [self.batch_norm] * 2
        kinds += [self.binary] * 4 + [self.residual] * 3 + [self.dense] * 3 + [self.shuffle] * 6 + [self.again] * 2
        kinds += [self.reduce] * 2 + [self.normalise] * 2 + [self.enlarge] * 2 + [self.rare] * 2
        self.random.choice(kinds)()

    # --- families
    def conv_geometry(self, shape, kernels=(1, 1, 2, 3, 3, 4, 5, 7)):
        r = self.random
        kernel, stride = self.pair(kernels), self.pair([1, 1, 1, 2, 3, 5])
        dilation = self.pair([1, 1, 1, 2, 3])
        kind = r.choice(["none", "int", "pair", "four", "same"])
        pad = {"none": [0] * 4, "int": [r.randint(0, 3)] * 4, "pair": [r.randint(0, 3), r.randint(0, 3)] * 2,
               "four": [r.randint(0, 4) for _ in range(4)], "same": same_pads(shape[1:], kernel, stride, dilation)}[kind]
        text = {"none": None, "int": str(pad[0]), "pair": f"[{pad[0]}, {pad[1]}]", "four": str(pad), "same": '"same"'}[kind]
        for axis in (0, 1):
            if shape[1 + axis] + pad[axis] + pad[axis + 2] < (kernel[axis] - 1) * dilation[axis] + 1:
                return None
        arguments = [f"kernel={self.pair_text(kernel)}"]
        arguments += [f"stride={self.pair_text(stride)}"] if stride != (1, 1) or r.random() < 0.2 else []
        arguments += [f"pad={text}"] if text else []
        arguments += [f"dilation={self.pair_text(dilation)}"] if dilation != (1, 1) else []
        return kernel, stride, pad, dilation, arguments

    def make_conv(self, x, depthwise):
        r = self.random
        geometry = self.conv_geometry(x.shape)
        if geometry is None:
            return None
        kernel, stride, pad, dilation, arguments = geometry
        channels = x.shape[0]
        if depthwise:
            multiplier, groups = r.choice([1, 1, 2, 3]), channels
            out = channels * multiplier
            arguments += [f"multiplier={multiplier}"] if multiplier > 1 else []
        else:
            groups = r.choice([g for g in range(1, channels + 1) if channels % g == 0]) if r.random() < 0.35 else 1
            out = groups * r.randint(1, 6) if groups > 1 else r.choice([1, 2, 3, 5, 8, 16, 17, 24, 32, 33])
            arguments.insert(0, str(out))
            arguments += [f"groups={groups}"] if groups > 1 else []
        bias = r.random() < 0.6
        arguments += [] if bias else ["bias=false"]
        path = "w" + self.fresh()
        weights = [formula.weight(path + ".weight", (out, channels // groups, *kernel))]
        weights += [formula.weight(path + ".bias", (out,))] if bias else []
        op = "depthwise_conv" if depthwise else "conv"

        def apply(x, weight, bias=None):
            return F.conv2d(F.pad(x, four(pad)), weight, bias, stride, 0, dilation, groups)
        return op, arguments, path, weights, apply

    def call(self, x, made, shared=False):
        op, arguments, path, weights, apply = made
        how = "as shared" if shared else "as"
        return self.put(f"{x.name} |> {op}({', '.join(arguments)}) {how} {path}",
                        lambda p, *w: apply(x.tensors[p], *w), *weights)

    def conv(self, depthwise=False):
        x = self.pick(3)
        made = self.make_conv(x, depthwise) if x else None
        y = self.call(x, made) if made else None
        if y is not None and self.random.random() < 0.5:
            self.values[-1] = y
            self.finish(y)

    def depthwise(self):
        self.conv(depthwise=True)

    def again(self):
        """Two calls of one set of weights, on two tensors of the same channels (or twice on one)."""
        x = self.pick(3)
        made = self.make_conv(x, False) if x else None
        others = [v for v in self.values if x and len(v.shape) == 3 and v.shape[0] == x.shape[0]]
        if made is None:
            return
        first = self.call(x, made, shared=True)
        other = self.random.choice(others)
        if first is not None and other.shape[1:] == x.shape[1:]:
            self.call(other, made, shared=True)

    def finish(self, y):
        """What usually follows a convolution: a norm, an addition, an activation, in any order."""
        for _ in range(self.random.randint(1, 3)):
            self.random.choice([self.batch_norm_of, self.activation_of, self.residual_of])(self.values[-1])

    def activation_of(self, x):
        text = self.random.choice(list(self.ACTIVATIONS))
        if self.random.random() < 0.1 and len(x.shape) in (1, 3):
            path = "w" + self.fresh()
            return self.put(f"{x.name} |> prelu as {path}", lambda p, w: torch.where(x.tensors[p] >= 0, x.tensors[p],
                            per_channel(w, x.tensors[p]) * x.tensors[p]), formula.weight(path + ".weight", (x.shape[0],)))
        return self.put(f"{x.name} |> {text}", lambda p: self.ACTIVATIONS[text](x.tensors[p]))

    def activation(self):
        self.activation_of(self.pick())

    def batch_norm_of(self, x):
        if len(x.shape) not in (1, 3):
            return
        r, path, channels = self.random, "w" + self.fresh(), x.shape[0]
        scale, shift, eps = r.random() < 0.8, r.random() < 0.8, r.choice([1e-5, 1e-3, 0.25])
        text = f"eps={eps}" + ("" if scale else ", scale=false") + ("" if shift else ", shift=false")
        weights = [formula.weight(f"{path}.{role}", (channels,))
                   for role in ["running_mean", "running_var"] + ["weight"] * scale + ["bias"] * shift]

        def apply(p, mean, var, *rest):
            rest = list(rest)
            weight = rest.pop(0) if scale else None
            return F.batch_norm(x.tensors[p], mean, var, weight, rest.pop(0) if shift else None, False, 0.0, eps)
        self.put(f"{x.name} |> batch_norm({text}) as {path}", apply, *weights)

    def batch_norm(self):
        self.batch_norm_of(self.pick())

    def residual_of(self, x):
        others = [v for v in self.values if v.shape == x.shape]
        other = self.random.choice(others)
        a, b = (x, other) if self.random.random() < 0.5 else (other, x)
        operator = self.random.choice(["+", "+", "+", "-", "*"])
        function = {"+": torch.add, "-": torch.sub, "*": torch.mul}[operator]
        self.put(f"{a.name} {operator} {b.name}", lambda p: function(a.tensors[p], b.tensors[p]))

    def residual(self):
        """x + f(x) with f of the same shape, and something after it."""
        x = self.pick(3)
        if x is None:
            return
        path, channels, k = "w" + self.fresh(), x.shape[0], self.random.choice([1, 3, 5])
        weight = formula.weight(path + ".weight", (channels, channels, k, k))
        y = self.put(f"{x.name} |> conv({channels}, kernel={k}, pad={k // 2}, bias=false) as {path}",
                     lambda p, w: F.conv2d(x.tensors[p], w, None, 1, k // 2), weight)
        if y is None:
            return
        if self.random.random() < 0.5:
            self.batch_norm_of(y)
        y = self.values[-1]
        total = self.put(f"{y.name} + {x.name}" if self.random.random() < 0.5 else f"{x.name} + {y.name}",
                         lambda p: y.tensors[p] + x.tensors[p])
        if total is not None and self.random.random() < 0.7:
            self.activation_of(total)

    def binary(self):
        r, x = self.random, self.pick()
        kind = r.choice(["number", "channel", "same"])
        operator = r.choice("+-*")
        function = {"+": torch.add, "-": torch.sub, "*": torch.mul}[operator]
        if kind == "number":
            number = r.choice([0.5, -1.25, 2, 1.0, 0])
            if r.random() < 0.5:
                self.put(f"{x.name} {operator} {number}", lambda p: function(x.tensors[p], number))
            else:
                self.put(f"{number} {operator} {x.name}", lambda p: function(torch.full_like(x.tensors[p], number), x.tensors[p]))
        elif kind == "channel" and len(x.shape) == 3:
            gate = self.put(f"{x.name} |> global_avg_pool |> sigmoid",
                            lambda p: torch.sigmoid(x.tensors[p].mean((2, 3), keepdim=True)))
            if gate is None:
                return
            a, b = (x, gate) if r.random() < 0.5 else (gate, x)
            self.put(f"{a.name} {operator} {b.name}", lambda p: function(a.tensors[p], b.tensors[p]))
        else:
            self.residual_of(x)

    def pool(self):
        r, x = self.random, self.pick(3)
        if x is None or x.shape[1] * x.shape[2] > 200:
            return
        kernel = self.pair([1, 2, 2, 3, 3, 4, 5])
        stride = self.pair([1, 2, 2, 3, 5]) if r.random() < 0.7 else kernel
        ceil, kind = r.random() < 0.4, r.choice(["max", "avg"])
        form = r.choice(["none", "int", "four", "same"])
        pad = {"none": [0] * 4, "int": [r.randint(0, min(kernel) - 1)] * 4,
               "four": [r.randint(0, kernel[i % 2] - 1) for i in range(4)], "same": same_pads(x.shape[1:], kernel, stride)}[form]
        if any(x.shape[1 + a] + pad[a] + pad[a + 2] < kernel[a] for a in (0, 1)):
            return
        if form == "same":
            ceil = False
        for axis in (0, 1):    # a window that sees padding alone has no maximum and no average
            count = pool_windows(x.shape[1 + axis], kernel[axis], stride[axis], pad[axis], pad[axis + 2], ceil)
            if (count - 1) * stride[axis] - pad[axis] >= x.shape[1 + axis]:
                return
        count_pad = kind == "max" or r.random() < 0.5
        arguments = [self.pair_text(kernel)] + ([f"stride={self.pair_text(stride)}"] if stride != kernel else [])
        arguments += {"none": [], "int": [f"pad={pad[0]}"], "four": [f"pad={pad}"], "same": ['pad="same"']}[form]
        arguments += (["ceil=true"] if ceil else []) + ([] if count_pad else ["count_pad=false"])
        self.put(f"{x.name} |> {kind}_pool({', '.join(arguments)})",
                 lambda p: pool(x.tensors[p], kernel, stride, pad, ceil, kind, count_pad))

    def dense(self):
        r = self.random
        x = self.pick(1)
        if x is None or r.random() < 0.5:
            image = self.pick(3)
            if image is None:
                return
            if image.tensors[0][0].numel() > 4000:
                x = self.put(f"{image.name} |> global_max_pool(keep=false)", lambda p: image.tensors[p].amax((2, 3)))
            elif r.random() < 0.7:
                x = self.put(f"{image.name} |> flatten", lambda p: image.tensors[p].flatten(1))
            else:
                x = self.put(f'{image.name} |> flatten(order="hwc")', lambda p: image.tensors[p].permute(0, 2, 3, 1).flatten(1))
        if x is None:
            return
        units, bias, path = r.choice([1, 2, 7, 16, 33, 100]), r.random() < 0.7, "w" + self.fresh()
        weights = [formula.weight(path + ".weight", (units, x.shape[0]))]
        weights += [formula.weight(path + ".bias", (units,))] if bias else []
        y = self.put(f"{x.name} |> dense({units}{'' if bias else ', bias=false'}) as {path}",
                     lambda p, *w: F.linear(x.tensors[p], *w), *weights)
        if y is not None and r.random() < 0.5:
            self.finish(y)

    def shuffle(self):
        """Ops that move elements."""
        r, x = self.random, self.pick(3)
        if x is None:
            return
        channels, height, width = x.shape
        kind = r.choice(["flatten", "reshape", "permute", "slice", "crop", "channel_shuffle", "pad", "concat", "concat"])
        if kind == "flatten":
            self.put(f"{x.name} |> flatten", lambda p: x.tensors[p].flatten(1))
        elif kind == "reshape":
            shape = r.choice([[height, channels, width], [width * height, channels, 1], [channels * height, width], [1, channels, height * width]])
            self.put(f"{x.name} |> reshape({shape})", lambda p: x.tensors[p].reshape([-1] + shape))
        elif kind == "permute":
            order = r.sample(range(3), 3)
            self.put(f"{x.name} |> permute({order})", lambda p: x.tensors[p].permute([0] + [1 + a for a in order]))
        elif kind == "slice":
            axis = r.randint(0, 2)
            begin = r.randint(0, x.shape[axis] - 1)
            end = r.randint(begin + 1, x.shape[axis])
            self.put(f"{x.name} |> slice({axis}, {begin}, {end})", lambda p: x.tensors[p].narrow(1 + axis, begin, end - begin))
        elif kind == "crop" and min(height, width) > 2:
            n = r.randint(0, (min(height, width) - 1) // 2)
            self.put(f"{x.name} |> crop({n})", lambda p: x.tensors[p][:, :, n:height - n, n:width - n])
        elif kind == "channel_shuffle":
            groups = r.choice([g for g in range(1, channels + 1) if channels % g == 0])
            self.put(f"{x.name} |> channel_shuffle({groups})", lambda p: F.channel_shuffle(x.tensors[p], groups))
        elif kind == "pad":
            pads, value = [r.randint(0, 3) for _ in range(4)], r.choice([0.0, 0.5, -1.0])
            mode = r.choice(["zero", "reflect", "edge"])
            if mode == "zero":
                self.put(f"{x.name} |> pad({pads}, value={value})", lambda p: F.pad(x.tensors[p], four(pads), value=value))
            elif mode == "edge" or (max(pads[::2]) < height and max(pads[1::2]) < width):
                self.put(f'{x.name} |> pad({pads}, mode="{mode}")',
                         lambda p: F.pad(x.tensors[p], four(pads), mode="reflect" if mode == "reflect" else "replicate"))
        elif kind == "concat":
            fitting = [v for v in self.values if len(v.shape) == 3 and v.shape[1:] == x.shape[1:]]
            parts = [r.choice(fitting) for _ in range(r.randint(1, 4))]
            self.put(f"concat({', '.join(v.name for v in parts)})", lambda p: torch.cat([v.tensors[p] for v in parts], 1))

    def reduce(self):
        r, x = self.random, self.pick(3)
        if x is None:
            return
        kind = r.choice(["global_avg_pool", "global_max_pool", "adaptive_avg_pool"])
        if kind == "adaptive_avg_pool":
            size = r.randint(1, min(7, *x.shape[1:]))
            self.put(f"{x.name} |> adaptive_avg_pool({size})", lambda p: F.adaptive_avg_pool2d(x.tensors[p], size))
            return
        keep = r.random() < 0.5
        function = (lambda p: x.tensors[p].mean((2, 3), keepdim=keep)) if kind == "global_avg_pool" \
            else (lambda p: x.tensors[p].amax((2, 3), keepdim=keep))
        self.put(f"{x.name} |> {kind}(keep={'true' if keep else 'false'})", function)

    def normalise(self):
        r = self.random
        kind = r.choice(["softmax", "log_softmax", "lrn", "affine", "normalize"])
        x = self.pick(3) if kind == "lrn" or r.random() < 0.7 else self.pick(1)
        if x is None:
            return
        if kind in ("softmax", "log_softmax"):
            function = {"softmax": F.softmax, "log_softmax": F.log_softmax}[kind]
            self.put(f"{x.name} |> {kind}", lambda p: function(x.tensors[p], 1))
        elif kind == "lrn":
            size, k = r.choice([1, 2, 3, 4, 5, 7]), r.choice([1.0, 2.0])
            self.put(f"{x.name} |> lrn(size={size}, alpha=0.5, k={k})",
                     lambda p: F.local_response_norm(x.tensors[p], size, 0.5, 0.75, k))
        elif kind == "affine":
            path, channels = "w" + self.fresh(), x.shape[0]
            self.put(f"{x.name} |> affine as {path}",
                     lambda p, w, b: x.tensors[p] * per_channel(w, x.tensors[p]) + per_channel(b, x.tensors[p]),
                     formula.weight(path + ".weight", (channels,)), formula.weight(path + ".bias", (channels,)))
        else:
            mean, std = [[r.choice([0.25, -0.5, 0.125]) for _ in range(x.shape[0])] for _ in range(2)]
            self.put(f"{x.name} |> normalize(mean={mean}, std={std}, scale=0.5)",
                     lambda p: (x.tensors[p] * 0.5 - per_channel(x.tensors[p].new_tensor(mean), x.tensors[p]))
                     / per_channel(x.tensors[p].new_tensor(std), x.tensors[p]))

    def enlarge(self):
        r, x = self.random, self.pick(3)
        if x is None:
            return
        if r.random() < 0.4:
            scale, mode = r.randint(1, 3), r.choice(["nearest", "bilinear"])
            self.put(f'{x.name} |> upsample({scale}, mode="{mode}")',
                     lambda p: F.interpolate(x.tensors[p], scale_factor=scale, mode=mode, **({"align_corners": False} if mode == "bilinear" else {})))
            return
        channels, kernel, stride = x.shape[0], self.pair([1, 2, 3, 4]), self.pair([1, 2, 3])
        dilation, pad = self.pair([1, 1, 2]), self.pair([0, 0, 1, 2])
        extra = tuple(r.randint(0, max(stride[a], dilation[a]) - 1) for a in (0, 1))
        if any((x.shape[1 + a] - 1) * stride[a] - 2 * pad[a] + (kernel[a] - 1) * dilation[a] + 1 + extra[a] < 1 for a in (0, 1)):
            return
        groups = r.choice([g for g in range(1, channels + 1) if channels % g == 0]) if r.random() < 0.35 else 1
        out, bias, path = groups * r.choice([1, 2, 3, 5]), r.random() < 0.6, "w" + self.fresh()
        weights = [formula.weight(path + ".weight", (channels, out // groups, *kernel))]
        weights += [formula.weight(path + ".bias", (out,))] if bias else []
        y = self.put(f"{x.name} |> conv_transpose({out}, kernel={self.pair_text(kernel)}, stride={self.pair_text(stride)}, "
                     f"pad=[{pad[0]}, {pad[1]}], output_pad=[{extra[0]}, {extra[1]}], groups={groups}, "
                     f"dilation={self.pair_text(dilation)}{'' if bias else ', bias=false'}) as {path}",
                     lambda p, w, b=None: F.conv_transpose2d(x.tensors[p], w, b, stride, pad, extra, groups, dilation), *weights)
        if y is not None and r.random() < 0.5:
            self.finish(y)

    def rare(self):
        r, kind = self.random, self.random.choice(["instance_norm", "l2_normalize", "gram", "mean", "sum", "mse", "rbf", "subsample"])
        x = self.pick(1 if kind == "rbf" else None if kind in ("mean", "sum", "mse") else 3)
        if x is None:
            return
        path, channels = "w" + self.fresh(), x.shape[0]
        if kind == "instance_norm" and x.shape[1] * x.shape[2] > 4:    # of fewer pixels the variance may vanish
            self.put(f"{x.name} |> instance_norm(eps=0.01, affine=true) as {path}",
                     lambda p, w, b: F.instance_norm(x.tensors[p], None, None, w, b, True, 0.0, 0.01),
                     formula.weight(path + ".weight", (channels,)), formula.weight(path + ".bias", (channels,)))
        elif kind == "l2_normalize":
            self.put(f"{x.name} |> l2_normalize(eps=0.01)", lambda p: F.normalize(x.tensors[p], dim=1, eps=0.01))
        elif kind == "gram":
            self.put(f"{x.name} |> gram", lambda p: torch.bmm(x.tensors[p].flatten(2), x.tensors[p].flatten(2).transpose(1, 2))
                     / float(np.prod(x.shape)))
        elif kind in ("mean", "sum"):
            self.put(f"{x.name} * {x.name} |> {kind}", lambda p: getattr((x.tensors[p] ** 2).flatten(1), kind)(1, keepdim=True))
        elif kind == "mse":
            other = r.choice([v for v in self.values if v.shape == x.shape])
            self.put(f"mse({x.name}, {other.name})", lambda p: ((x.tensors[p] - other.tensors[p]) ** 2).flatten(1).mean(1, keepdim=True))
        elif kind == "rbf":
            self.put(f"{x.name} |> rbf(7) as {path}", lambda p, w: ((x.tensors[p][:, None] - w[None]) ** 2).sum(2),
                     formula.weight(path + ".weight", (7, channels)))
        elif kind == "subsample" and min(x.shape[1:]) > 1:
            self.put(f"{x.name} |> subsample as {path}",
                     lambda p, w, b: F.avg_pool2d(x.tensors[p], 2) * 4 * per_channel(w, x.tensors[p]) + per_channel(b, x.tensors[p]),
                     formula.weight(path + ".weight", (channels,)), formula.weight(path + ".bias", (channels,)))

    def choose_outputs(self):
        """The last value, and at times any others: inputs, views, what later steps read too, one value twice."""
        r = self.random
        chosen = [self.values[-1]]
        if r.random() < 0.5:
            chosen += [r.choice(self.values) for _ in range(r.randint(1, 4))]
        r.shuffle(chosen)
        for i, value in enumerate(chosen):
            self.lines.append(f"output out{i} = {value.name}")
            self.outputs.append((f"out{i}", value))
