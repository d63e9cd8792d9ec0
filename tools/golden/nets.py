"""The variants of the zoo that torchvision defines, as PyTorch models."""
import torch
import torchvision

import formula


def build(name, **options):
    return lambda: getattr(torchvision.models, name)(weights=None, **options)


def resnext(layers, groups, width):
    return lambda: torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, layers, groups=groups, width_per_group=width)


# variant -> (image side, model)
NETS = {
    "alexnet_tv": (224, build("alexnet")),
    **{f"vgg{n}": (224, build(f"vgg{n}")) for n in (11, 13, 16, 19)},
    **{f"resnet{n}": (224, build(f"resnet{n}")) for n in (18, 34, 50, 101, 152)},
    "resnext50_32x4d": (224, build("resnext50_32x4d")),
    "resnext101_32x4d": (224, resnext([3, 4, 23, 3], 32, 4)),
    "resnext101_32x8d": (224, build("resnext101_32x8d")),
    "resnext101_64x4d": (224, build("resnext101_64x4d")),
    "googlenet_tv": (224, build("googlenet", aux_logits=False, init_weights=False)),
    "inception_v3": (299, build("inception_v3", aux_logits=False, init_weights=False)),
    **{f"efficientnet_b{n}": (side, build(f"efficientnet_b{n}")) for n, side in enumerate((224, 240, 260, 300, 380, 456, 528, 600))},
}


def logits(name, dtype=torch.float64):
    """What enters the softmax, for formula weights and the formula image, as a float64 numpy vector."""
    side, model = NETS[name]
    model = model().eval()
    state = {key: torch.from_numpy(formula.weight(key, tuple(value.shape)))
             for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing), (missing, unexpected)
    with torch.no_grad():
        result = model.to(dtype)(torch.from_numpy(formula.image((3, side, side))).to(dtype)[None])
    return result[0].double().numpy()
