"""Random nets of few layers with many channels: shapes for which vector targets have kernels of their own.

Winograd's of all tile sizes, whole and in groups, Strassen's products, first layers, depthwise layers, prologues, large dense
layers, projections in the sums of the last 1x1, max pools in a convolution's kernel, concatenations without copies.
"""
import torch
import torch.nn.functional as F

from random_net import RandomNet, formula, four


class RandomLargeNet(RandomNet):
    """A chain of blocks as networks of the literature have them, each of random shape."""

    MAX_ELEMENTS = 2000000
    MAX_PRODUCTS = 150e6    # of one convolution, per image
    CHANNELS = [8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 320, 384, 512, 728]

    def make(self):
        r = self.random
        if r.random() < 0.3:
            x = self.input((r.choice([1, 3, 3, 3, 4]), r.randint(24, 150), r.randint(24, 150)))
            self.first_layer(x)
        else:
            size = r.choice([4, 6, 7, 8, 10, 13, 14, 14, 17, 19, 27, 28, 28, 35, 37, 56, 56, 74, 112])
            channels = r.choice([c for c in self.CHANNELS if c * size * size < self.MAX_ELEMENTS / 2])
            self.input((channels, size, size if r.random() < 0.7 else r.randint(4, 40)))
        blocks = [self.plain] * 6 + [self.bottleneck, self.dense_layer, self.inception, self.separable, self.separable, self.squeeze]
        for _ in range(r.randint(1, 4)):
            if len(self.values[-1].shape) == 3:
                r.choice(blocks)(self.values[-1])
        if r.random() < 0.3 and len(self.values[-1].shape) == 3:
            r.choice([self.head, self.classifier])(self.values[-1])

    # --- one convolution
    def convolve(self, x, out, kernel, stride=(1, 1), pad=None, groups=1, dilation=(1, 1), depthwise=False):
        """None where it would be too large or have no output."""
        channels = x.shape[0]
        pad = pad or [(kernel[i % 2] - 1) * dilation[i % 2] // 2 for i in range(4)]
        sizes = [(x.shape[1 + a] + pad[a] + pad[a + 2] - (kernel[a] - 1) * dilation[a] - 1) // stride[a] + 1 for a in (0, 1)]
        products = out * sizes[0] * sizes[1] * (channels // groups) * kernel[0] * kernel[1]
        if min(sizes) < 1 or products > self.MAX_PRODUCTS:
            return None
        bias, path = self.random.random() < 0.6, "w" + self.fresh()
        arguments = [] if depthwise else [str(out)]
        arguments += [f"kernel={self.pair_text(kernel)}", f"stride={self.pair_text(stride)}", f"pad={pad}"]
        arguments += [f"dilation={self.pair_text(dilation)}"] if dilation != (1, 1) else []
        arguments += [f"groups={groups}"] if groups > 1 and not depthwise else []
        arguments += [] if bias else ["bias=false"]
        weights = [formula.weight(path + ".weight", (out, channels // groups, *kernel))]
        weights += [formula.weight(path + ".bias", (out,))] if bias else []
        return self.put(f"{x.name} |> {'depthwise_conv' if depthwise else 'conv'}({', '.join(arguments)}) as {path}",
                        lambda p, w, b=None: F.conv2d(F.pad(x.tensors[p], four(pad)), w, b, stride, 0, dilation, groups), *weights)

    def geometry(self):
        r = self.random
        kernel = r.choice([(1, 1)] * 4 + [(3, 3)] * 6 + [(5, 5)] * 2 + [(1, 7), (7, 1), (1, 3), (3, 1), (7, 7), (2, 2), (3, 5), (4, 4), (6, 6), (9, 9)])
        stride = r.choice([(1, 1)] * 5 + [(2, 2)] * 3 + [(1, 2), (3, 3), (4, 4)])
        dilation = r.choice([(1, 1)] * 9 + [(2, 2)])
        pad = None if r.random() < 0.7 else [0] * 4 if r.random() < 0.4 else [r.randint(0, 3) for _ in range(4)]
        return kernel, stride, pad, dilation

    def pick_groups(self, channels):
        r = self.random
        if r.random() < 0.75:
            return 1
        return r.choice([g for g in (2, 3, 4, 8, 16, 32) if channels % g == 0] or [1])

    def after(self, y, residual=None):
        """Norm, residual, activation, pool, as they usually follow."""
        r = self.random
        if r.random() < 0.4:
            self.batch_norm_of(y)
            y = self.values[-1]
        if residual is not None and residual.shape == y.shape:
            y = self.put(f"{y.name} + {residual.name}", lambda p, y=y: y.tensors[p] + residual.tensors[p]) or y
        if r.random() < 0.7:
            y = self.activation_of(y) or y
        if min(y.shape[1:]) > 3 and r.random() < 0.3:
            kernel, stride = r.choice([(2, 2), (2, 2), (3, 2), (3, 1)])
            pad = r.choice([0, 0, 1]) if kernel == 3 else 0
            y = self.put(f"{y.name} |> max_pool({kernel}, stride={stride}, pad={pad})",
                         lambda p, y=y: F.max_pool2d(y.tensors[p], kernel, stride, pad)) or y
        return y

    # --- blocks
    def first_layer(self, x):
        kernel, stride, pad = self.random.choice([(3, 1, 1), (3, 2, 1), (3, 2, 0), (7, 2, 3), (7, 2, 2), (11, 4, 2), (11, 4, 0), (5, 1, 2), (9, 1, 4)])
        y = self.convolve(x, self.random.choice([16, 20, 24, 32, 64, 96]), (kernel, kernel), (stride, stride), [pad] * 4)
        if y is not None:
            self.after(y)

    def plain(self, x):
        kernel, stride, pad, dilation = self.geometry()
        groups = self.pick_groups(x.shape[0])
        out = self.random.choice([c for c in self.CHANNELS + [x.shape[0]] * 8 if c % groups == 0] or [groups * 8])
        y = self.convolve(x, out, kernel, stride, pad, groups, dilation)
        if y is not None:
            self.after(y, residual=x)

    def bottleneck(self, x):
        """ResNet's, with a projection where its shape changes."""
        r, stride = self.random, self.random.choice([1, 1, 2])
        middle, out = r.choice([16, 32, 64, 128]), r.choice([64, 128, 256, x.shape[0]])
        groups = r.choice([1, 1, 1, 4, 8])
        y = self.convolve(x, middle, (1, 1))
        y = self.activation_of(y) if y is not None else None
        y = self.convolve(y, middle, (3, 3), (stride, stride), groups=groups) if y is not None else None
        y = self.activation_of(y) if y is not None else None
        y = self.convolve(y, out, (1, 1)) if y is not None else None
        if y is not None:
            shortcut = x if x.shape == y.shape else self.convolve(x, out, (1, 1), (stride, stride))
            self.after(y, residual=shortcut)

    def dense_layer(self, x):
        """DenseNet's: norm and relu before the convolutions, and the result beside its input."""
        for _ in range(self.random.randint(1, 3)):
            self.batch_norm_of(x)
            y = self.values[-1]
            y = self.put(f"{y.name} |> relu", lambda p, y=y: F.relu(y.tensors[p])) or y
            y = self.convolve(y, self.random.choice([96, 128, 192]), (1, 1))
            y = self.activation_of(y) if y is not None else None
            y = self.convolve(y, self.random.choice([16, 32, 48]), (3, 3)) if y is not None else None
            if y is None:
                return
            x = self.join([x, y]) or x

    def join(self, parts):
        return self.put(f"concat({', '.join(part.name for part in parts)})", lambda p: torch.cat([part.tensors[p] for part in parts], 1))

    def inception(self, x):
        parts = []
        for _ in range(self.random.randint(2, 4)):
            y = x
            for kernel in self.random.choice([[(1, 1)], [(1, 1), (3, 3)], [(1, 1), (5, 5)], [(1, 7), (7, 1)], [(3, 3), (3, 3)], [(1, 3)]]):
                y = self.convolve(y, self.random.choice([16, 24, 32, 48, 64, 96, 128]), kernel) if y is not None else None
                y = self.activation_of(y) if y is not None else None
            parts += [y] if y is not None else []
        if self.random.random() < 0.3:
            parts.append(self.put(f"{x.name} |> avg_pool(3, stride=1, pad=1)", lambda p: F.avg_pool2d(x.tensors[p], 3, 1, 1)) or x)
        if parts:
            self.join(parts)

    def separable(self, x):
        r = self.random
        kernel, stride = r.choice([3, 3, 5, 7]), r.choice([1, 1, 2])
        y = self.convolve(x, x.shape[0], (kernel, kernel), (stride, stride), groups=x.shape[0], depthwise=True)
        y = self.activation_of(y) if y is not None and r.random() < 0.6 else y
        y = self.convolve(y, r.choice(self.CHANNELS + [x.shape[0]] * 8), (1, 1)) if y is not None else None
        if y is not None:
            self.after(y, residual=x)

    def squeeze(self, x):
        """Squeeze and excitation."""
        y = self.put(f"{x.name} |> global_avg_pool", lambda p: x.tensors[p].mean((2, 3), keepdim=True))
        y = self.convolve(y, self.random.choice([4, 8, 20, 32]), (1, 1)) if y is not None else None
        y = self.activation_of(y) if y is not None else None
        y = self.convolve(y, x.shape[0], (1, 1)) if y is not None else None
        gate = self.put(f"{y.name} |> sigmoid", lambda p: torch.sigmoid(y.tensors[p])) if y is not None else None
        if gate is not None:
            self.put(f"{x.name} * {gate.name}", lambda p: x.tensors[p] * gate.tensors[p])

    def classifier(self, x):
        """AlexNet's and VGG's: dense layers whose weights are a few megabytes, behind a relu."""
        y = self.put(f"{x.name} |> relu |> max_pool(2)", lambda p: F.max_pool2d(F.relu(x.tensors[p]), 2)) if min(x.shape[1:]) > 1 else None
        if y is None:
            return
        y = self.put(f"{y.name} |> flatten", lambda p, y=y: y.tensors[p].flatten(1))
        for _ in range(self.random.randint(1, 2)):
            path, inputs = "w" + self.fresh(), y.shape[0]
            units = min(4000, 600000 // inputs + self.random.randint(1, 60))
            y = self.put(f"{y.name} |> dense({units}) as {path} |> relu", lambda p, w, b, y=y: F.relu(F.linear(y.tensors[p], w, b)),
                         formula.weight(path + ".weight", (units, inputs)), formula.weight(path + ".bias", (units,)))
            if y is None:
                return

    def head(self, x):
        y = self.put(f"{x.name} |> global_avg_pool(keep=false)", lambda p: x.tensors[p].mean((2, 3)))
        path, units = "w" + self.fresh(), self.random.choice([10, 100, 1000])
        if y is not None:
            self.put(f"{y.name} |> dense({units}) as {path}", lambda p, w, b: F.linear(y.tensors[p], w, b),
                     formula.weight(path + ".weight", (units, x.shape[0])), formula.weight(path + ".bias", (units,)))
