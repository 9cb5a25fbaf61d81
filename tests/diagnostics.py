"""Examinations that look real, for tests that need no network."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

from PIL import Image

from core.runs.diagnostics import BINS, Diagnostics, Layer, Mistake, write_diagnostics
from core.runs.folder import RunFolder

CLASSES = ("cat", "dog", "car")


def picture(color: tuple[int, int, int] = (200, 30, 30), side: int = 32) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (side, side), color).save(buffer, "PNG")
    return buffer.getvalue()


def layers() -> tuple[Layer, ...]:
    """Two convolutions of which filters went, and the linear layer."""
    edge = (3, *(0,) * (BINS - 2), 5)
    return (
        Layer("conv1", (3, 3, 3, 3), (4, 3, 3, 3), 73, 0.5, edge, (40, 0, 12, 1)),
        Layer("layer1.0.conv1", (4, 3, 1, 1), (4, 4, 1, 1), 4, 1.5, edge, (25, 75, 50, 50)),
        Layer("fc", (3, 4), (3, 4), 4, 0.25, edge, None),
    )


def examination(run_id: str = "run-1", **overrides: Any) -> Diagnostics:
    """Of 30 test pictures the dense network gets 27 right, this one 22: six lost, one gained."""
    found = Diagnostics(
        run_id=run_id,
        model="a" * 64,
        dense="b" * 64,
        data="c" * 16,
        classes=CLASSES,
        pictures=(10, 10, 10),
        correct=(5, 8, 9),
        dense_correct=(9, 10, 8),
        confusion=((5, 4, 1), (2, 8, 0), (0, 1, 9)),
        lost=6,
        gained=1,
        mistakes=(
            Mistake(3, 0, 1, 91.5, picture()),
            Mistake(8, 0, 2, 60.0, picture((0, 90, 0))),
        ),
        layers=layers(),
        parts={"values": 800, "positions": 100, "norm": 60, "bias": 12, "header": 228},
        plain_size=6_000,
        dense_size=5_000,
        dense_plain_size=6_500,
    )
    return replace(found, **overrides)


def keep_examination(folder: RunFolder, **overrides: Any) -> Diagnostics:
    """One in the run's folder."""
    found = examination(folder.run_id, **overrides)
    write_diagnostics(folder, found)
    return found
