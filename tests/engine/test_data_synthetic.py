"""The drawn pictures: always the same, balanced, and told apart by shape alone."""

import numpy as np
import pytest

from core.engine.data import synthetic
from core.engine.data.images import Decoded


def no_report(message: str, fraction: float) -> None:
    """A report that nobody listens to."""


@pytest.fixture(scope="module")
def drawn() -> Decoded:
    return synthetic.draw_pictures(no_report)


def test_drawing_again_gives_the_same_pictures(drawn: Decoded) -> None:
    again = synthetic.draw_pictures(no_report)
    assert np.array_equal(drawn.train_images, again.train_images)
    assert np.array_equal(drawn.test_images, again.test_images)


def test_both_splits_are_balanced_and_well_formed(drawn: Decoded) -> None:
    assert len(drawn.classes) == 10
    for images, labels, per_class in (
        (drawn.train_images, drawn.train_labels, 500),
        (drawn.test_images, drawn.test_labels, 100),
    ):
        assert images.shape == (10 * per_class, 32, 32, 3)
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert np.bincount(labels).tolist() == [per_class] * 10


def test_no_picture_is_drawn_twice(drawn: Decoded) -> None:
    pictures = [image.tobytes() for image in (*drawn.train_images, *drawn.test_images)]
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("name", synthetic.SHAPES)
def test_a_flip_keeps_the_shape(name: str) -> None:
    outline = synthetic.SHAPES[name]
    u, v = np.meshgrid(np.linspace(-1.5, 1.5, 61), np.linspace(-1.5, 1.5, 61))
    assert np.allclose(outline(u, v), outline(-u, v))
    inside = (outline(u, v) < 0).mean() * 9  # area, the square looked at being 3 by 3
    assert 0.5 < inside < 2.5


def test_colour_tells_nothing_about_the_class(drawn: Decoded) -> None:
    """The best linear guess from a picture's mean colours and their spread is hardly better than chance."""

    def features(images: np.ndarray) -> np.ndarray:
        colours = images.reshape(len(images), -1, 3) / 255.0
        return np.hstack([colours.mean(1), np.median(colours, axis=1), np.ones((len(images), 1))])

    weights, *_ = np.linalg.lstsq(features(drawn.train_images), np.eye(10)[drawn.train_labels], rcond=None)
    guessed = (features(drawn.test_images) @ weights).argmax(1)
    assert (guessed == drawn.test_labels).mean() < 0.2
