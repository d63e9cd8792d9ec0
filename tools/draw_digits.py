#!/usr/bin/env python3
"""Draws the digit images of examples/digits: strokes along smooth curves, as a pen would make them.

    tools/draw_digits.py [--output examples/digits/digits]

Writes 20 PNG files, 28 x 28 grey pixels, white strokes on black: two hands, a and b, for each digit. Needs Python
alone. The images belong to this project; none comes from a data set. Same bytes on every run.
"""
import argparse
import math
import os
import struct
import zlib

SIZE = 28
# Strokes as points that a smooth curve passes through, in a square of 0 ... 100 (x to the right, y downwards). A point
# given twice in a row is a corner.
DIGITS = {
    "0a": [[(52, 8), (28, 22), (20, 52), (30, 84), (52, 92), (74, 78), (80, 46), (70, 18), (52, 8)]],
    "0b": [[(60, 12), (38, 10), (22, 34), (20, 66), (36, 90), (60, 88), (76, 64), (76, 32), (60, 12), (48, 14)]],
    "1a": [[(52, 8), (51, 50), (48, 92)]],
    "1b": [[(44, 17), (56, 8), (56, 8), (52, 50), (48, 92)]],
    "2a": [[(24, 28), (36, 11), (60, 9), (72, 26), (62, 48), (40, 70), (22, 88), (22, 88), (50, 87), (80, 86)]],
    "2b": [[(28, 22), (48, 8), (68, 18), (68, 38), (50, 62), (28, 84), (24, 76), (38, 74), (56, 86), (80, 84)]],
    "3a": [[(26, 18), (46, 8), (68, 18), (64, 36), (44, 46), (44, 46), (68, 54), (74, 72), (56, 90), (28, 84)]],
    "3b": [[(26, 12), (50, 11), (72, 12), (72, 12), (46, 42), (46, 42), (68, 50), (74, 70), (56, 90), (26, 86)]],
    "4a": [[(32, 10), (26, 36), (24, 54), (24, 54), (50, 54), (82, 50)], [(64, 12), (62, 50), (58, 94)]],
    "4b": [[(58, 8), (40, 34), (20, 60), (20, 60), (50, 62), (82, 60)], [(64, 34), (62, 64), (60, 94)]],
    "5a": [[(74, 10), (52, 11), (34, 12), (34, 12), (31, 28), (28, 44), (28, 44), (50, 40), (70, 52), (70, 76), (50, 91), (24, 86)]],
    "5b": [[(36, 12), (32, 28), (30, 44), (30, 44), (54, 40), (72, 56), (66, 80), (46, 92), (24, 84)], [(36, 12), (56, 12), (78, 8)]],
    "6a": [[(66, 8), (42, 24), (26, 52), (28, 80), (50, 92), (70, 78), (66, 58), (46, 54), (28, 70)]],
    "6b": [[(58, 8), (36, 34), (26, 64), (36, 88), (60, 90), (72, 72), (60, 56), (40, 60), (28, 76)]],
    "7a": [[(20, 16), (50, 14), (78, 13), (78, 13), (62, 46), (44, 92)]],
    "7b": [[(22, 24), (24, 14), (24, 14), (50, 14), (76, 12), (76, 12), (60, 50), (52, 92)]],
    "8a": [[(64, 18), (46, 8), (30, 22), (42, 42), (64, 58), (72, 78), (52, 92), (30, 80), (38, 60), (60, 42), (70, 26), (64, 18), (56, 12)]],
    "8b": [[(52, 48), (32, 34), (36, 14), (58, 8), (72, 22), (66, 40), (44, 54), (26, 72), (36, 90), (60, 90), (72, 72), (62, 56), (52, 48)]],
    "9a": [[(72, 26), (54, 9), (32, 18), (28, 40), (46, 52), (66, 42), (72, 26), (72, 26), (68, 60), (60, 92)]],
    "9b": [[(68, 20), (46, 8), (28, 26), (36, 46), (60, 44), (70, 22), (70, 22), (70, 56), (58, 82), (34, 90)]],
}
HANDS = {  # thickness in pixels, lean, turn in degrees, shift in pixels
    "a": {"thickness": 2.5, "lean": 0.08, "turn": -2.0, "shift": (0.4, -0.3)},
    "b": {"thickness": 3.1, "lean": 0.18, "turn": 1.0, "shift": (-0.5, 0.4)},
}


def smooth(points):
    """A Catmull-Rom curve through the points, as a list of short straight pieces; a doubled point cuts the curve in two."""
    for i in range(len(points) - 1):
        if points[i] == points[i + 1]:
            return smooth(points[: i + 1]) + smooth(points[i + 1 :])
    line = []
    for i in range(len(points) - 1):
        p = [points[max(i - 1, 0)], points[i], points[i + 1], points[min(i + 2, len(points) - 1)]]
        for step in range(12):
            t = step / 12
            line.append(tuple(0.5 * (2 * p[1][k] + (p[2][k] - p[0][k]) * t
                                     + (2 * p[0][k] - 5 * p[1][k] + 4 * p[2][k] - p[3][k]) * t * t
                                     + (3 * p[1][k] - p[0][k] - 3 * p[2][k] + p[3][k]) * t * t * t) for k in (0, 1)))
    return line + [points[-1]]


def place(point, hand):
    """From the square of 100 to pixels: the digit fills the middle 20 pixels, leaning and turned as the hand does."""
    x, y = (point[0] - 50) / 100, (point[1] - 50) / 100
    x -= hand["lean"] * y
    angle = math.radians(hand["turn"])
    x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    return (SIZE / 2 + 22 * x + hand["shift"][0], SIZE / 2 + 22 * y + hand["shift"][1])


def distance(px, py, a, b):
    dx, dy = b[0] - a[0], b[1] - a[1]
    square = dx * dx + dy * dy
    t = 0 if square == 0 else min(1, max(0, ((px - a[0]) * dx + (py - a[1]) * dy) / square))
    return math.hypot(px - a[0] - t * dx, py - a[1] - t * dy)


def draw(strokes, hand):
    lines = [[place(point, hand) for point in smooth(stroke)] for stroke in strokes]
    rows = []
    for y in range(SIZE):
        row = bytearray()
        for x in range(SIZE):
            near = min(distance(x + 0.5, y + 0.5, a, b) for line in lines for a, b in zip(line, line[1:]))
            cover = min(1, max(0, hand["thickness"] / 2 + 0.5 - near))  # a pixel is covered in proportion at the edge
            row.append(round(255 * cover))
        rows.append(bytes(row))
    return rows


def png(rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="examples/digits/digits")
    folder = parser.parse_args().output
    os.makedirs(folder, exist_ok=True)
    for name, strokes in sorted(DIGITS.items()):
        with open(os.path.join(folder, f"{name}.png"), "wb") as file:
            file.write(png(draw(strokes, HANDS[name[1]])))
    print(f"wrote {len(DIGITS)} images to {folder}")


if __name__ == "__main__":
    main()
