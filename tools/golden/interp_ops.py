#!/usr/bin/env python3
"""Writes tests/golden/numbers/interp_ops.txt: what PyTorch computes, in float64, for every op of the .net language.

Usage: /usr/bin/python3 tools/golden/interp_ops.py > tests/golden/numbers/interp_ops.txt

Inputs and weights follow from names (formula.py), so the file holds results only: for each case its name, the net, the
shape and the values of the output. tests/unit/interp_ops.c evaluates the same nets with the reference interpreter.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

import formula


def image(*shape, name="input"):
    return torch.from_numpy(formula.image(shape, name).astype(np.float64)).unsqueeze(0)


def weight(name, *shape):
    return torch.from_numpy(formula.weight(name, shape).astype(np.float64))


CASES = []


def case(name, inputs, expression, result):
    """inputs: "f32[3, 5, 5]" for one input x, or {"a": ..., "b": ...}; result: tensor with a batch axis, or without."""
    declared = inputs if isinstance(inputs, dict) else {"x": inputs}
    ports = " ".join(f"input {port}: {type_}" for port, type_ in declared.items())
    CASES.append((name, f"net t {{ {ports} output y = {expression} }}", result))


def layers():
    x = image(3, 7, 6)
    w, b = weight("c.weight", 4, 3, 3, 2), weight("c.bias", 4)
    case("conv", "f32[3, 7, 6]", "x |> conv(4, kernel=[3, 2]) as c", F.conv2d(x, w, b))
    case("conv_stride_dilation", "f32[3, 7, 6]", "x |> conv(4, kernel=[3, 2], stride=[2, 1], dilation=[1, 2], pad=[1, 2]) as c",
         F.conv2d(x, w, b, stride=(2, 1), dilation=(1, 2), padding=(1, 2)))
    case("conv_uneven_pad", "f32[3, 7, 6]", "x |> conv(4, kernel=[3, 2], pad=[1, 2, 0, 3], bias=false) as c",
         F.conv2d(F.pad(x, (2, 3, 1, 0)), w))
    case("conv_same_stride_2_odd", "f32[3, 7, 7]", "x |> conv(4, kernel=3, stride=2, pad=\"same\") as c",
         F.conv2d(F.pad(image(3, 7, 7), (1, 1, 1, 1)), weight("c.weight", 4, 3, 3, 3), b, stride=2))
    case("conv_same_stride_2_even", "f32[3, 8, 8]", "x |> conv(4, kernel=3, stride=2, pad=\"same\") as c",
         F.conv2d(F.pad(image(3, 8, 8), (0, 1, 0, 1)), weight("c.weight", 4, 3, 3, 3), b, stride=2))
    case("conv_groups", "f32[6, 5, 5]", "x |> conv(4, kernel=3, pad=1, groups=2) as c",
         F.conv2d(image(6, 5, 5), weight("c.weight", 4, 3, 3, 3), b, padding=1, groups=2))
    case("conv_1x1_many_pixels", "f32[3, 20, 21]", "x |> conv(2, kernel=1) as c",
         F.conv2d(image(3, 20, 21), weight("c.weight", 2, 3, 1, 1), weight("c.bias", 2)))

    # LeNet-5's connection table: as one convolution per output map over its listed input maps.
    table, kernels = [[0, 1], [2], [0, 1, 2]], weight("c.weight", 6, 3, 3)
    maps, used = [], 0
    for out, row in enumerate(table):
        kernel = kernels[used:used + len(row)].unsqueeze(0)
        used += len(row)
        maps.append(F.conv2d(x[:, row], kernel, weight("c.bias", 3)[out:out + 1], stride=2))
    case("conv_table", "f32[3, 7, 6]", "x |> conv(3, kernel=3, stride=2, table=[[0, 1], [2], [0, 1, 2]]) as c", torch.cat(maps, 1))

    case("depthwise_conv", "f32[4, 6, 6]", "x |> depthwise_conv(3, stride=2, pad=1, dilation=2) as c",
         F.conv2d(image(4, 6, 6), weight("c.weight", 4, 1, 3, 3), weight("c.bias", 4), 2, 1, 2, 4))
    case("depthwise_conv_multiplier", "f32[4, 6, 6]", "x |> depthwise_conv([2, 3], multiplier=3, bias=false) as c",
         F.conv2d(image(4, 6, 6), weight("c.weight", 12, 1, 2, 3), None, groups=4))
    case("conv_transpose", "f32[3, 4, 5]", "x |> conv_transpose(2, 3, stride=2, pad=1, output_pad=1) as c",
         F.conv_transpose2d(image(3, 4, 5), weight("c.weight", 3, 2, 3, 3), weight("c.bias", 2), 2, 1, 1))
    case("conv_transpose_groups_dilation", "f32[4, 4, 5]",
         "x |> conv_transpose(6, [3, 2], stride=[1, 3], pad=[1, 0], groups=2, dilation=[2, 1], bias=false) as c",
         F.conv_transpose2d(image(4, 4, 5), weight("c.weight", 4, 3, 3, 2), None, (1, 3), (1, 0), 0, 2, (2, 1)))
    case("dense", "f32[9]", "x |> dense(5) as f", F.linear(image(9), weight("f.weight", 5, 9), weight("f.bias", 5)))
    case("dense_no_bias", "f32[9]", "x |> dense(5, bias=false) as f", F.linear(image(9), weight("f.weight", 5, 9)))
    case("rbf", "f32[9]", "x |> rbf(5) as r", ((image(9) - weight("r.weight", 5, 9))**2).sum(1))


def norms():
    x = image(5, 3, 4)
    statistics = weight("b.running_mean", 5), weight("b.running_var", 5)
    affine = weight("b.weight", 5), weight("b.bias", 5)
    case("batch_norm", "f32[5, 3, 4]", "x |> batch_norm as b", F.batch_norm(x, *statistics, *affine, eps=1e-5))
    case("batch_norm_vector", "f32[5]", "x |> batch_norm(eps=0.5) as b", F.batch_norm(image(5), *statistics, *affine, eps=0.5))
    case("batch_norm_no_scale", "f32[5, 3, 4]", "x |> batch_norm(eps=1e-3, scale=false) as b",
         F.batch_norm(x, *statistics, None, affine[1], eps=1e-3))
    case("batch_norm_no_shift", "f32[5, 3, 4]", "x |> batch_norm(shift=false) as b", F.batch_norm(x, *statistics, affine[0], None))
    case("instance_norm", "f32[5, 3, 4]", "x |> instance_norm", F.instance_norm(x))
    case("instance_norm_affine", "f32[5, 3, 4]", "x |> instance_norm(eps=0.1, affine=true) as b",
         F.instance_norm(x, weight=affine[0], bias=affine[1], eps=0.1))
    for size in (1, 3, 4, 5, 9):
        case(f"lrn_{size}", "f32[5, 3, 4]", f"x |> lrn(size={size}, alpha=0.5, beta=0.6, k=2.0)",
             F.local_response_norm(x, size, alpha=0.5, beta=0.6, k=2.0))
    case("lrn_alpha_as_is", "f32[5, 3, 4]", "x |> lrn(size=5, alpha=0.5, alpha_div_n=false)",
         F.local_response_norm(x, 5, alpha=2.5, beta=0.75, k=1.0))
    case("l2_normalize", "f32[5, 3, 4]", "x |> l2_normalize", F.normalize(x, dim=1))
    case("l2_normalize_vector", "f32[5]", "x |> l2_normalize(eps=10.0)", F.normalize(image(5), dim=1, eps=10.0))
    case("affine", "f32[5, 3, 4]", "x |> affine as b", x * affine[0].view(1, 5, 1, 1) + affine[1].view(1, 5, 1, 1))
    mean, std = torch.tensor([0.5, 0.25, 0.125]).double(), torch.tensor([0.5, 2.0, 4.0]).double()
    case("normalize", "f32[3, 2, 2]", "x |> normalize(mean=[0.5, 0.25, 0.125], std=[0.5, 2.0, 4.0], scale=3.0)",
         (image(3, 2, 2) * 3 - mean.view(3, 1, 1)) / std.view(3, 1, 1))
    bytes_ = torch.from_numpy(np.floor(256 * formula.uniform("input", 12))).view(1, 3, 2, 2)
    case("normalize_bytes", "u8 hwc[2, 2, 3]", "x |> normalize(mean=127.5, std=127.5)", (bytes_ - 127.5) / 127.5)


def pools():
    x = image(2, 7, 8)
    case("max_pool", "f32[2, 7, 8]", "x |> max_pool(3, stride=2)", F.max_pool2d(x, 3, 2))
    case("max_pool_pad", "f32[2, 7, 8]", "x |> max_pool([3, 2], stride=[1, 2], pad=[1, 0])", F.max_pool2d(x, (3, 2), (1, 2), (1, 0)))
    case("max_pool_of_negatives", "f32[2, 7, 8]", "x - 2.0 |> max_pool(3, stride=2, pad=1)", F.max_pool2d(x - 2, 3, 2, 1))
    case("max_pool_same", "f32[2, 7, 8]", "x |> max_pool(3, stride=2, pad=\"same\")",
         F.max_pool2d(F.pad(x, (0, 1, 1, 1), value=-np.inf), 3, 2))
    for kernel, stride, pad in ((3, 2, 0), (3, 2, 1), (2, 3, 1), (2, 2, 0), (3, 3, 1)):
        for ceil in (False, True):
            case(f"max_pool_{kernel}_{stride}_{pad}_{'ceil' if ceil else 'floor'}", "f32[2, 7, 8]",
                 f"x |> max_pool({kernel}, stride={stride}, pad={pad}, ceil={str(ceil).lower()})",
                 F.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil))
            for count in (False, True):
                case(f"avg_pool_{kernel}_{stride}_{pad}_{'ceil' if ceil else 'floor'}_{'padded' if count else 'inside'}", "f32[2, 7, 8]",
                     f"x |> avg_pool({kernel}, stride={stride}, pad={pad}, ceil={str(ceil).lower()}, count_pad={str(count).lower()})",
                     F.avg_pool2d(x, kernel, stride, pad, ceil_mode=ceil, count_include_pad=count))
    ones = F.pad(torch.ones(1, 2, 7, 8).double(), (0, 1, 1, 1))
    case("avg_pool_same_inside", "f32[2, 7, 8]", "x |> avg_pool(3, stride=2, pad=\"same\", count_pad=false)",
         F.avg_pool2d(F.pad(x, (0, 1, 1, 1)), 3, 2) / F.avg_pool2d(ones, 3, 2))
    case("avg_pool_default_stride", "f32[2, 7, 8]", "x |> avg_pool([3, 2])", F.avg_pool2d(x, (3, 2)))
    case("global_avg_pool", "f32[2, 7, 8]", "x |> global_avg_pool", x.mean((2, 3), keepdim=True))
    case("global_avg_pool_flat", "f32[2, 7, 8]", "x |> global_avg_pool(keep=false)", x.mean((2, 3)))
    case("global_max_pool", "f32[2, 7, 8]", "x |> global_max_pool", x.amax((2, 3), keepdim=True))
    case("global_max_pool_flat", "f32[2, 7, 8]", "x |> global_max_pool(keep=false)", x.amax((2, 3)))
    for size in ((3, 5), (7, 7), (1, 1), (9, 16), (4, 4)):
        case(f"adaptive_avg_pool_{size[0]}_{size[1]}", "f32[2, 7, 8]", f"x |> adaptive_avg_pool([{size[0]}, {size[1]}])",
             F.adaptive_avg_pool2d(x, size))
    case("subsample", "f32[2, 7, 8]", "x |> subsample([3, 2]) as s",
         F.avg_pool2d(x, (3, 2)) * 6 * weight("s.weight", 2).view(2, 1, 1) + weight("s.bias", 2).view(2, 1, 1))


def activations():
    x = image(40) * 8
    results = {
        "relu": F.relu(x), "relu6": F.relu6(x), "leaky_relu": F.leaky_relu(x, 0.01), "leaky_relu(slope=0.3)": F.leaky_relu(x, 0.3),
        "sigmoid": torch.sigmoid(x), "hard_sigmoid": F.hardsigmoid(x), "tanh": torch.tanh(x),
        "scaled_tanh": 1.7159 * torch.tanh(x * (2.0 / 3.0)), "scaled_tanh(a=2.0, b=0.25)": 2.0 * torch.tanh(x * 0.25),
        "silu": F.silu(x), "hard_swish": F.hardswish(x), "gelu": F.gelu(x), "elu": F.elu(x), "elu(alpha=0.5)": F.elu(x, 0.5),
        "softplus": torch.logaddexp(x, torch.zeros(1).double()), "step": (x >= 0).double(), "identity": x,
        "clamp(-1.5, 3.0)": torch.clamp(x, -1.5, 3.0), "dropout(0.3)": x,
    }
    for expression, result in results.items():
        name = expression.split("(")[0] + ("_set" if "(" in expression else "")
        case("act_" + name, "f32[40]", f"x * 8.0 |> {expression}", result)
    case("step_at_zero", "f32[4]", "x * 0.0 |> step", torch.ones(1, 4))
    y = image(5, 3, 4)
    case("prelu", "f32[5, 3, 4]", "x |> prelu as p", F.prelu(y, weight("p.weight", 5)))
    case("prelu_vector", "f32[5]", "x |> prelu as p", F.prelu(image(5), weight("p.weight", 5)))
    case("softmax", "f32[5, 3, 4]", "x * 200.0 |> softmax", F.softmax(y * 200, 1))
    case("softmax_vector", "f32[40]", "x * 8.0 |> softmax", F.softmax(x, 1))
    case("log_softmax", "f32[5, 3, 4]", "x * 200.0 |> log_softmax", F.log_softmax(y * 200, 1))
    case("log_softmax_vector", "f32[40]", "x * 8.0 |> log_softmax", F.log_softmax(x, 1))


def shapes():
    x = image(6, 4, 5)
    case("flatten", "f32[6, 4, 5]", "x |> flatten", x.flatten(1))
    case("flatten_hwc", "f32[6, 4, 5]", "x |> flatten(order=\"hwc\")", x.permute(0, 2, 3, 1).flatten(1))
    case("reshape", "f32[6, 4, 5]", "x |> reshape([5, 12, 2])", x.reshape(1, 5, 12, 2))
    for order in ((1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0)):
        case("permute_" + "".join(map(str, order)), "f32[6, 4, 5]", f"x |> permute({list(order)})", x[0].permute(order).unsqueeze(0))
    case("slice_channels", "f32[6, 4, 5]", "x |> slice(0, 1, 4)", x[:, 1:4])
    case("slice_rows", "f32[6, 4, 5]", "x |> slice(1, 2, 3)", x[:, :, 2:3])
    case("slice_columns", "f32[6, 4, 5]", "x |> slice(2, 1, 5)", x[:, :, :, 1:5])
    case("slice_vector", "f32[6]", "x |> slice(0, 2, 5)", image(6)[:, 2:5])
    case("crop", "f32[6, 4, 5]", "x |> crop([1, 2])", x[:, :, 1:3, 2:3])
    for groups in (2, 3, 6):
        case(f"channel_shuffle_{groups}", "f32[6, 4, 5]", f"x |> channel_shuffle({groups})",
             x.view(1, groups, 6 // groups, 4, 5).transpose(1, 2).reshape(1, 6, 4, 5))
    case("pad_zero", "f32[6, 4, 5]", "x |> pad([1, 2, 3, 4])", F.pad(x, (2, 4, 1, 3)))
    case("pad_value", "f32[6, 4, 5]", "x |> pad(1, value=-2.5)", F.pad(x, (1, 1, 1, 1), value=-2.5))
    case("pad_reflect", "f32[6, 4, 5]", "x |> pad([1, 4, 3, 2], mode=\"reflect\")", F.pad(x, (4, 2, 1, 3), mode="reflect"))
    case("pad_edge", "f32[6, 4, 5]", "x |> pad([1, 6, 5, 2], mode=\"edge\")", F.pad(x, (6, 2, 1, 5), mode="replicate"))
    case("upsample_nearest", "f32[6, 4, 5]", "x |> upsample([2, 3])", F.interpolate(x, scale_factor=(2, 3)))
    for scale in ((2, 2), (3, 1), (1, 4), (5, 3)):
        case(f"upsample_bilinear_{scale[0]}_{scale[1]}", "f32[6, 4, 5]", f"x |> upsample({list(scale)}, mode=\"bilinear\")",
             F.interpolate(x, size=(4 * scale[0], 5 * scale[1]), mode="bilinear", align_corners=False))
    two = {"a": "f32[2, 4, 5]", "b": "f32[3, 4, 5]"}
    case("concat", two, "concat(a, b, a)", torch.cat([image(2, 4, 5, name="a"), image(3, 4, 5, name="b"), image(2, 4, 5, name="a")], 1))
    case("concat_vectors", {"a": "f32[2]", "b": "f32[3]"}, "concat(b, a)", torch.cat([image(3, name="b"), image(2, name="a")], 1))


def arithmetic():
    same = {"a": "f32[3, 4, 5]", "b": "f32[3, 4, 5]"}
    gate = {"a": "f32[3, 4, 5]", "b": "f32[3, 1, 1]"}
    a, b, g = image(3, 4, 5, name="a"), image(3, 4, 5, name="b"), image(3, 1, 1, name="b")
    for op, symbol, function in (("add", "+", torch.add), ("sub", "-", torch.sub), ("mul", "*", torch.mul)):
        case(f"{op}", same, f"{op}(a, b)", function(a, b))
        case(f"{op}_channels", gate, f"a {symbol} b", function(a, g))
        case(f"{op}_channels_left", gate, f"b {symbol} a", function(g, a))
        case(f"{op}_vector", {"a": "f32[3, 4, 5]", "b": "f32[3]"}, f"a {symbol} b", function(a, image(3, name="b").view(1, 3, 1, 1)))
        case(f"{op}_number", "f32[3, 4, 5]", f"x {symbol} 1.75", function(image(3, 4, 5), torch.tensor(1.75).double()))
        case(f"{op}_number_left", "f32[3, 4, 5]", f"1.75 {symbol} x", function(torch.tensor(1.75).double(), image(3, 4, 5)))
    case("scale", "f32[3, 4, 5]", "scale(x, -0.17)", image(3, 4, 5) * -0.17)
    flat = a.view(3, 20)
    case("gram", {"a": "f32[3, 4, 5]"}, "gram(a)", (image(3, 4, 5).view(3, 20) @ image(3, 4, 5).view(3, 20).T / 60).unsqueeze(0))
    case("mse", same, "mse(a, b)", F.mse_loss(a, b).view(1, 1))
    case("sum", same, "sum(a * b)", (flat.reshape(-1) @ b.reshape(-1)).view(1, 1))
    case("mean", same, "mean(a * b)", (flat.reshape(-1) @ b.reshape(-1)).view(1, 1) / 60)
    x = image(50)
    case("argmax", "f32[50]", "argmax(x)", x.argmax(1, keepdim=True))
    case("argmax_image", "f32[6, 4, 5]", "argmax(x)", image(6, 4, 5).argmax(1, keepdim=True))
    case("argmax_first_of_equals", "f32[50]", "argmax(x * 0.0)", torch.zeros(1, 1))
    case("top_k", "f32[50]", "top_k(x, 7)", x.topk(7).indices)
    case("top_k_values", "f32[50]", "top_k(x, 7, indices=false)", x.topk(7).values)
    case("top_k_of_equals", "f32[50]", "top_k(x * 0.0, 3)", torch.tensor([[0, 1, 2]]))
    case("residual_block", "f32[4, 6, 6]", "relu((x |> conv(4, kernel=3, pad=1) as c) + x)",
         F.relu(F.conv2d(image(4, 6, 6), weight("c.weight", 4, 4, 3, 3), weight("c.bias", 4), padding=1) + image(4, 6, 6)))


def main():
    for group in (layers, norms, pools, activations, shapes, arithmetic):
        group()
    names = [name for name, _, _ in CASES]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    print(f"# PyTorch {torch.__version__}, float64, formula inputs and weights; written by tools/golden/interp_ops.py")
    for name, net, result in CASES:
        values = result.squeeze(0) if result.dim() > 1 else result
        print(f"\ncase {name}\n{net}\nshape {' '.join(map(str, values.shape))}")
        print(" ".join(repr(float(value)) for value in values.reshape(-1)))


if __name__ == "__main__":
    sys.exit(main())
