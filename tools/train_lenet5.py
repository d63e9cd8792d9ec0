#!/usr/bin/python3
"""Trains dsl/zoo/lenet5.net (LeNet-5 with average pooling and tanh, 61,706 parameters) on handwritten digits.

    tools/train_lenet5.py [--data ../shared/data/mnist] [--output dsl/zoo/lenet5.safetensors]

Needs Debian's python3-torch and python3-numpy. Trains on digits-0000-6999, tests on digits-7000-7999 (IDX files, gzip).
An input is a 28 x 28 image, white strokes on black, each pixel / 255 (so 0 ... 1), with 2 pixels of zeros added on
every side: [1, 32, 32]. Nothing else is done to it: no mean is taken off.

The result is the same on every run of one machine: one thread, fixed seeds. It takes about a minute.
"""
import argparse
import gzip
import json
import math
import struct
import sys

import numpy
import torch
from torch import nn
from torch.nn import functional

EPOCHS = 30
BATCH = 64
SEED = 5


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = functional.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = functional.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.fc1(x.flatten(1)))
        x = torch.tanh(self.fc2(x))
        return self.fc3(x)


def read_idx(path):
    with gzip.open(path) as file:
        zero, kind, rank = struct.unpack(">HBB", file.read(4))
        if zero != 0 or kind != 8:
            sys.exit(f"{path}: not an IDX file of bytes")
        shape = struct.unpack(f">{rank}I", file.read(4 * rank))
        return numpy.frombuffer(file.read(), dtype=numpy.uint8).reshape(shape)


def load(folder, part):
    images = read_idx(f"{folder}/digits-{part}-images-idx3-ubyte.gz")
    labels = read_idx(f"{folder}/digits-{part}-labels-idx1-ubyte.gz")
    pixels = torch.from_numpy(images.astype(numpy.float32) / 255).unsqueeze(1)
    return functional.pad(pixels, (2, 2, 2, 2)), torch.from_numpy(labels.astype(numpy.int64))


def augment(images, random):
    """Turns, stretches, shears and shifts each image a little, as hands do; brightness of the stroke varies too."""
    count = len(images)
    draw = lambda spread: (torch.rand(count, generator=random) * 2 - 1) * spread
    angle, shear = draw(math.radians(12)), draw(0.15)
    wide, high = 1 + draw(0.14), 1 + draw(0.14)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = torch.cos(angle) * wide
    theta[:, 0, 1] = -torch.sin(angle) * high + shear
    theta[:, 1, 0] = torch.sin(angle) * wide
    theta[:, 1, 1] = torch.cos(angle) * high
    theta[:, :, 2] = torch.stack((draw(2.5 / 16), draw(2.5 / 16)), 1)
    grid = functional.affine_grid(theta, images.shape, align_corners=False)
    moved = functional.grid_sample(images, grid, align_corners=False)
    gain = 1 + draw(0.25).view(-1, 1, 1, 1)
    return (moved * gain).clamp(0, 1)


def accuracy(net, images, labels):
    net.eval()
    with torch.no_grad():
        return (net(images).argmax(1) == labels).double().mean().item()


def train(net, images, labels):
    random = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    steps = EPOCHS * math.ceil(len(images) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps, pct_start=0.15)
    for epoch in range(EPOCHS):
        net.train()
        total = 0.0
        for chosen in torch.randperm(len(images), generator=random).split(BATCH):
            optimizer.zero_grad()
            loss = functional.cross_entropy(net(augment(images[chosen], random)), labels[chosen], label_smoothing=0.02)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(chosen)
        print(f"epoch {epoch + 1:2}/{EPOCHS}  loss {total / len(images):.4f}", flush=True)


def write_safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        piece = tensor.detach().numpy().astype("<f4").tobytes()
        offsets = [len(data), len(data) + len(piece)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        data += piece
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/mnist")
    parser.add_argument("--output", default="dsl/zoo/lenet5.safetensors")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    net = LeNet5()
    print(f"{sum(p.numel() for p in net.parameters())} parameters")
    train(net, *load(arguments.data, "0000-6999"))
    correct = accuracy(net, *load(arguments.data, "7000-7999"))
    write_safetensors(arguments.output, net.state_dict())
    print(f"{100 * correct:.1f} % of the 1,000 test digits are right; wrote {arguments.output}")


if __name__ == "__main__":
    main()
