"""Drawn pictures: ten classes that only the shape tells apart. Needs no download.

Position, size, rotation, colours, shading, clutter and noise are drawn at random, independently of the class. Each shape
is its own mirror image, and it is turned either way alike, so that a horizontal flip keeps the class.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.engine.data.images import Decoded, Report, Source
from core.i18n import Message
from core.spec.datasets import SIZE

Floats = NDArray[
    np.float64
]  # double, so that the last digit of a sine, which processors differ in, does not show in a picture
Outline = Callable[[Floats, Floats], Floats]

SEED = 20_250_101
BATCH = 100  # pictures drawn at once: few enough to stay in the processor's cache
TRAIN_BATCHES = 5  # of each class; one more batch is for testing
# How hard it is, tuned so that a thin network gets most but not all of them right in five epochs.
RADIUS = (6.2, 11.2)  # of the circle around a shape, in pixels
SHIFT = 3.0  # of a shape from the middle, in pixels
TURN = 0.7  # of a shape either way, in radians
CONTRAST = (33.0, 92.0)  # by how much a shape is brighter than its background, in grey levels
CLUTTER = 4  # strokes behind a shape
NOISE = 14.5  # standard deviation, in grey levels


def _disc(u: Floats, v: Floats) -> Floats:
    return np.hypot(u, v) - 0.8


def _ring(u: Floats, v: Floats) -> Floats:
    return np.abs(np.hypot(u, v) - 0.68) - 0.2


def _box(u: Floats, v: Floats, width: float | Floats, height: float | Floats) -> Floats:
    return np.maximum(np.abs(u) - width, np.abs(v) - height)


def _square(u: Floats, v: Floats) -> Floats:
    return _box(u, v, 0.7, 0.7)


def _dots(u: Floats, v: Floats) -> Floats:
    return np.hypot(np.abs(u) - 0.52, np.abs(v) - 0.52) - 0.34


def _triangle(u: Floats, v: Floats) -> Floats:
    return np.maximum(v, 0.866 * np.abs(u) - 0.5 * v) - 0.5


def _cross(u: Floats, v: Floats) -> Floats:
    return np.minimum(_box(u, v, 0.9, 0.26), _box(u, v, 0.26, 0.9))


def _star(u: Floats, v: Floats) -> Floats:
    """Five points: every direction is folded onto one half of a point, which one straight line bounds."""
    sector = np.pi / 5
    angle = np.abs((np.arctan2(u, -v) + sector) % (2 * sector) - sector)
    bound: Floats = np.hypot(u, v) * np.cos(angle - 1.1) - np.cos(1.1)
    return bound


def _crescent(u: Floats, v: Floats) -> Floats:
    return np.maximum(np.hypot(u, v) - 0.88, 0.68 - np.hypot(u, v - 0.45))


def _hourglass(u: Floats, v: Floats) -> Floats:
    return np.maximum(np.abs(u) - np.abs(v) - 0.1, np.abs(v) - 0.78)


def _bars(u: Floats, v: Floats) -> Floats:
    return _box(u, np.abs(v) - 0.5, 0.78, 0.22)


# Negative inside and positive outside, about the distance to the outline, in units in which a shape fills about the circle
# of radius 1. Each is symmetric in u, which is what keeps the class when a picture is flipped.
SHAPES: dict[str, Outline] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "dots": _dots,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
    "crescent": _crescent,
    "hourglass": _hourglass,
    "bars": _bars,
}


def source() -> Source:
    """The drawing; its version is the text of this file."""
    return Source(hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), draw_pictures)


def draw_pictures(report: Report) -> Decoded:
    """The whole data set, always the same: 500 pictures of each class to train on and 100 to test on."""
    batches = []
    # A batch follows from its own seed, and NumPy lets go of the interpreter while it computes: all cores draw.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for label, outline in enumerate(SHAPES.values()):
            report(Message("Drawing pictures"), label / len(SHAPES))
            seeds = [np.random.default_rng((SEED, label, n)) for n in range(TRAIN_BATCHES + 1)]
            batches.append(list(pool.map(partial(_draw, outline), seeds)))
    train = np.concatenate([batch for drawn in batches for batch in drawn[:TRAIN_BATCHES]])
    test = np.concatenate([drawn[TRAIN_BATCHES] for drawn in batches])
    labels = np.arange(len(SHAPES), dtype=np.int64)
    return Decoded(tuple(SHAPES), train, labels.repeat(TRAIN_BATCHES * BATCH), test, labels.repeat(BATCH))


def _draw(outline: Outline, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One batch of pictures of one shape, uint8 [100, 32, 32, 3]."""
    background, ink = _colours(rng)
    canvas = _shaded(background, rng)
    for _ in range(CLUTTER):
        _paint(canvas, _stroke(rng), _colours(rng)[0])
    _paint(canvas, _shape(outline, rng), _shaded(ink, rng))
    canvas += rng.normal(0, NOISE, canvas.shape)
    return canvas.round().clip(0, 255).astype(np.uint8)


def _uniform(rng: np.random.Generator, low: float, high: float) -> Floats:
    """A number for each picture, shaped to be combined with a grid of pixels."""
    return rng.uniform(low, high, (BATCH, 1, 1))


def _grid(rng: np.random.Generator, shift: float, turn: float = np.pi) -> tuple[Floats, Floats]:
    """Pixel coordinates seen from a centre up to ``shift`` pixels off the middle, turned by up to ``turn`` radians."""
    axis = np.arange(SIZE) - (SIZE - 1) / 2
    x = axis[None, None, :] - _uniform(rng, -shift, shift)
    y = axis[None, :, None] - _uniform(rng, -shift, shift)
    angle = _uniform(rng, -turn, turn)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _cover(distance: Floats) -> Floats:
    """How much of each pixel lies inside, from its distance to the outline in pixels: edges are smooth."""
    return np.clip(0.5 - distance, 0, 1)


def _shape(outline: Outline, rng: np.random.Generator) -> Floats:
    u, v = _grid(rng, SHIFT, TURN)
    radius, stretch = _uniform(rng, *RADIUS), _uniform(rng, 0.85, 1.15)
    return _cover(outline(u / (radius * stretch), v * stretch / radius) * radius)


def _stroke(rng: np.random.Generator) -> Floats:
    u, v = _grid(rng, SIZE / 2)
    return _cover(_box(u, v, _uniform(rng, 3, 10), _uniform(rng, 0.4, 1.4)))


def _colours(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A colour for each picture and one that is brighter by CONTRAST on average, [100, 3] each, in grey levels."""
    dark = rng.uniform(20, 130, (BATCH, 3))
    # A consistent sign of the contrast is what lets a network see an outline before it has learnt about colours.
    lift = 3 * rng.dirichlet((2, 2, 2), BATCH) * rng.uniform(*CONTRAST, (BATCH, 1))
    return dark, dark + lift


def _shaded(colour: Floats, rng: np.random.Generator) -> Floats:
    """Pictures full of ``colour``, brighter towards a random side: [100, 32, 32, 3]."""
    u, _ = _grid(rng, 0)
    return colour[:, None, None, :] + (u * _uniform(rng, 0, 2))[..., None]


def _paint(canvas: Floats, cover: Floats, colour: Floats) -> None:
    """Lay ``colour``, [100, 3] or whole pictures, over ``canvas`` as far as ``cover`` says."""
    layer = colour[:, None, None, :] if colour.ndim == 2 else colour
    canvas += cover[..., None] * (layer - canvas)
