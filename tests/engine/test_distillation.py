"""What the dense network teaches, against the formula of the paper."""

import pytest
import torch
from torch.nn import functional as F

from core.engine.recovery.distillation import Teacher, distillation_loss


def test_a_teacher_gives_the_logits_of_the_dense_network_and_no_gradients(model, pictures):
    model = model.train()  # as it may come
    found = Teacher(model)(pictures)
    assert model.training
    torch.testing.assert_close(found, model.eval()(pictures).detach(), rtol=1e-4, atol=1e-4)
    assert not found.requires_grad


def test_the_loss_is_that_of_hinton_et_al():
    generator = torch.Generator().manual_seed(0)
    own, taught = (3 * torch.randn(5, 10, generator=generator) for _ in range(2))
    labels = torch.arange(5)
    own.requires_grad_()
    p, q = (F.softmax(logits / 4, dim=1) for logits in (taught, own))
    divergence = (p * (p.log() - q.log())).sum(1).mean()
    label_loss = F.cross_entropy(own, labels)
    expected = 0.9 * 16 * divergence + 0.1 * label_loss
    found = distillation_loss(own, taught, label_loss)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(found, own)
    # The gradient of the paper's cross-entropy of soft targets, which differs by a constant.
    assert torch.allclose(
        gradient, 0.9 * 4 * (q - p).detach() / 5 + 0.1 * (F.softmax(own, 1) - F.one_hot(labels, 10)) / 5
    )
    assert distillation_loss(own, own.detach(), label_loss).item() == pytest.approx(0.1 * label_loss.item(), rel=1e-4)
