"""Distillation: a pruned network learns from the logits of the dense one as well (Hinton et al., 2015)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.engine.deploy import fuse
from core.engine.networks.layers import example_of
from core.spec.settings import TEACHER_SHARE, TEMPERATURE

PROBES = 8  # images on which its faster form must compute the same


class Teacher:
    """The logits [b, classes] of ``dense``, in evaluation mode and without gradients. Nothing in it waits for the host."""

    def __init__(self, dense: nn.Module) -> None:
        one = example_of(dense)
        probes = torch.randn(PROBES, *one.shape[1:], generator=torch.Generator().manual_seed(0))
        self._run = fuse(dense, probes.to(one.device)).run

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        return self._run(images)


def distillation_loss(logits: Tensor, taught: Tensor, label_loss: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of softened predictions from those of the teacher, and the rest of ``label_loss``.

    Softening shrinks gradients by the square of the temperature, hence that factor."""
    own, aim = (F.log_softmax(one / TEMPERATURE, dim=1) for one in (logits, taught))
    soft = F.kl_div(own, aim, reduction="batchmean", log_target=True)
    return TEACHER_SHARE * TEMPERATURE**2 * soft + (1 - TEACHER_SHARE) * label_loss
