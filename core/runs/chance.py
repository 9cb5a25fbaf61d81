"""Which networks are at chance level: they do no better than guessing."""

from __future__ import annotations

import math

from core.runs.result import RunResult
from core.spec.datasets import DATASETS

_STANDARD_ERRORS = 3
_MARGIN = 1.2  # of an accuracy over that of guessing, where nobody noted the number of test pictures


def is_at_chance(result: RunResult, data: str) -> bool:
    """Whether a network for the data set ``data`` is at chance level; False where its number of classes is not known.

    Guessing among k classes is right with p = 1/k, and on n test pictures with a standard error of sqrt(p (1 - p) / n). An
    accuracy has to exceed p by three of them; where n was not recorded, by a fifth of p. So has the accuracy of a network
    that is right on one class alone: it gives every picture the same answer, which is worth more than 1/k where that class
    has more pictures than others.

    Each run is judged by itself. The interval of a mean over two or three seeds is about the scatter of training, and so
    wide that it reaches down to chance for networks that are far above it.
    """
    per_class = result.per_class_accuracy
    named = DATASETS.get(data)
    classes = len(per_class) or (named.classes if named else 0)
    pictures = result.test_pictures or (named.test if named else None)
    if classes < 2:
        return False
    chance = 1 / classes
    error = math.sqrt(chance * (1 - chance) / pictures) if pictures else None
    limit = chance * _MARGIN if error is None else chance + _STANDARD_ERRORS * error
    one_answer = bool(per_class) and sum(accuracy > 0 for accuracy in per_class) <= 1
    return one_answer or result.test_accuracy <= 100 * limit
