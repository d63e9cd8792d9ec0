"""The networks of dsl/zoo as PyTorch models: torchvision's where it has them, else written down here by their papers."""
import torch
import torchvision
from torch import nn

import formula


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = nn.functional.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = nn.functional.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.fc1(x.flatten(1)))
        return self.fc3(torch.tanh(self.fc2(x)))


class Separable(nn.Module):
    def __init__(self, channels, out_channels, stride):
        super().__init__()
        self.stride = stride
        self.conv_dw = nn.Conv2d(channels, channels, 3, stride, 1 if stride == 1 else 0, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, eps=1e-3)
        self.conv_pw = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, eps=1e-3)

    def forward(self, x):
        x = nn.functional.pad(x, (0, 1, 0, 1)) if self.stride == 2 else x
        x = nn.functional.relu6(self.bn1(self.conv_dw(x)))
        return nn.functional.relu6(self.bn2(self.conv_pw(x)))


class MobileNetV1(nn.Module):
    def __init__(self, alpha=1.0, classes=1000):
        super().__init__()
        channels = int(32 * alpha)
        self.conv_stem = nn.Conv2d(3, channels, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, eps=1e-3)
        stages = []
        for stage, widths in enumerate([[64], [128] * 2, [256] * 2, [512] * 6, [1024] * 2]):
            blocks = []
            for block, width in enumerate(widths):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Separable(channels, int(width * alpha), stride))
                channels = int(width * alpha)
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        x = nn.functional.relu6(self.bn1(self.conv_stem(nn.functional.pad(x, (0, 1, 0, 1)))))
        return self.classifier(self.blocks(x).mean((2, 3)))


def torchvision_net(name):
    return lambda: getattr(torchvision.models, name)(weights=None)


# name -> (file under dsl/zoo, -D settings, input shape, PyTorch model)
NETS = {
    "lenet5": ("lenet5.net", [], (1, 32, 32), LeNet5),
    "alexnet": ("alexnet.net", [], (3, 224, 224), torchvision_net("alexnet")),
    "vgg16": ("vgg16.net", [], (3, 224, 224), torchvision_net("vgg16")),
    "resnet18": ("resnet18.net", [], (3, 224, 224), torchvision_net("resnet18")),
    "resnet34": ("resnet34.net", [], (3, 224, 224), torchvision_net("resnet34")),
    "resnet50": ("resnet50.net", [], (3, 224, 224), torchvision_net("resnet50")),
    "resnet101": ("resnet101.net", [], (3, 224, 224), torchvision_net("resnet101")),
    "resnet152": ("resnet152.net", [], (3, 224, 224), torchvision_net("resnet152")),
    "mobilenet_v1": ("mobilenet_v1.net", [], (3, 224, 224), MobileNetV1),
    "mobilenet_v1_75_192": ("mobilenet_v1.net", ["alpha=0.75", "size=192"], (3, 192, 192), lambda: MobileNetV1(0.75)),
}


def logits(name, dtype=torch.float32):
    """What enters the softmax, for formula weights and the formula image, as a float64 numpy vector."""
    _, _, shape, build = NETS[name]
    model = build().eval()
    state = {key: torch.from_numpy(formula.weight(key, tuple(value.shape)))
             for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    model.load_state_dict(state, strict=False)
    with torch.no_grad():
        result = model.to(dtype)(torch.from_numpy(formula.image(shape)).to(dtype)[None])
    return result[0].double().numpy()
