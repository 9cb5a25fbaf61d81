"""One step of training, time after time on the same memory, so that a GPU can replay it as one CUDA graph.

Nothing in a step waits for the host: which pictures are next, the learning rate and the sums over the epoch are tensors on
the device. A CPU executes the same steps one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.engine.data.augment import DeviceImages, EpochAugmentation
from core.engine.masks import MaskKeeper

WARM_UP = 3  # steps before capturing, as PyTorch asks for: libraries make their choices in them
EAGER, GRAPH = "eager", "CUDA graph"

# Takes what is to be done, without doing it, and returns what does it.
Capture = Callable[[Callable[[], None]], Callable[[], object]]


def steps_per_epoch(pictures: int, batch_size: int) -> int:
    """Full batches in an epoch. The rest of a shuffled epoch is left out: every step then has the same shape."""
    return max(1, pictures // batch_size)


class Step:
    """The steps of training ``model`` with ``optimizer`` on ``batch`` of ``pictures`` each; ``keeper`` holds its masks.

    ``how`` tells how they are executed, and why if that is not the fastest way that the device has. ``capture`` stands for
    CUDA's in tests. Momentum, weights and masks may be changed between two steps, but only in place.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.SGD,
        keeper: MaskKeeper,
        pictures: DeviceImages,
        batch: int,
        *,
        precision: str = "fp32",
        capture: Capture | None = None,
    ) -> None:
        device = pictures.labels.device
        self.model, self.optimizer, self.keeper, self.pictures = model, optimizer, keeper, pictures
        self.batch = min(batch, len(pictures))
        self.how = EAGER
        self._precision, self._device = precision, device
        self.capture = capture or (_cuda_graph if device.type == "cuda" else None)
        self._replay: Callable[[], object] | None = None
        self._replayed_version, self._warm = -1, 0
        self._rates: Sequence[float] = ()
        self._rates_there = torch.zeros(0, device=device)
        self._rate = torch.zeros((), device=device)  # what the optimizer reads, where it must not be told by the host
        self._drawn: EpochAugmentation | None = None
        self._at = torch.zeros(1, dtype=torch.int64, device=device)
        self._places = torch.arange(self.batch, device=device)
        self._loss, self._hits = torch.zeros((), device=device), torch.zeros((), device=device)

    @property
    def per_epoch(self) -> int:
        return steps_per_epoch(len(self.pictures), self.batch)

    def begin(self, drawn: EpochAugmentation, rates: Sequence[float]) -> None:
        """Start an epoch of the pictures as ``drawn``, with a learning rate for each step."""
        self.model.train()
        self._rates = rates
        if self._drawn is None or len(rates) != len(self._rates_there):
            self._drawn, self._rates_there = drawn, torch.tensor(rates, device=self._device)
            self._replay = None  # it reads other memory
        else:
            self._drawn.copy_(drawn)
            self._rates_there.copy_(torch.tensor(rates))
        for counter in (self._at, self._loss, self._hits):
            counter.zero_()

    def run(self, number: int) -> None:
        """Step ``number`` of the epoch; they have to be taken in order."""
        if self.capture is None:
            self._set_rate(self._rates[number])
            self._take()
            return
        self._set_rate(self._rate)
        if self._replayed_version != self.keeper.version:
            self._replay = None  # it multiplies by the masks there were before
        if self._warm < WARM_UP:
            self._warm += 1
            _on_a_stream_of_its_own(self._take, self._device)
            return
        (self._replay or self._captured(self.capture, number))()

    def sums(self) -> tuple[float, float]:
        """The sum of the losses and the number of hits since the epoch began. Waits for the device."""
        return float(self._loss), float(self._hits)

    def _set_rate(self, rate: float | Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _captured(self, capture: Capture, number: int) -> Callable[[], object]:
        """What takes step ``number``: the graph of a step, or if it cannot be captured, this object from now on."""
        self.optimizer.zero_grad(set_to_none=True)  # gradients are to lie in the graph's own memory
        try:
            self._replay = capture(self._take)
        except RuntimeError as error:
            self.capture = None
            self.how = f"{EAGER}, because capturing failed: {(str(error).splitlines() or [''])[0][:200]}"
            return partial(self.run, number)
        self.how, self._replayed_version = GRAPH, self.keeper.version
        return self._replay

    def _take(self) -> None:
        """Everything that a step does, as operations on the device alone."""
        assert self._drawn is not None
        if self.capture is not None:
            self._rate.copy_(self._rates_there.index_select(0, self._at).squeeze(0))
        places = self._at * self.batch + self._places
        images, labels = self.pictures.train_batch(self._drawn.at(places), 0, self.batch)
        # Without a cache of casts: each weight is used once, and what a graph replays must not hold on to an old one.
        with torch.autocast(
            self._device.type, dtype=torch.bfloat16, enabled=self._precision == "bf16", cache_enabled=False
        ):
            logits = self.model(images)
        loss = F.cross_entropy(logits.float(), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.keeper.apply()
        self._loss += loss.detach()
        self._hits += (logits.detach().argmax(1) == labels).sum()
        self._at += 1


def _on_a_stream_of_its_own(work: Callable[[], None], device: torch.device) -> None:
    """Do ``work`` as PyTorch wants steps before a capture to be done."""
    if device.type != "cuda":
        work()
        return
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        work()
    torch.cuda.current_stream(device).wait_stream(side)


def _cuda_graph(work: Callable[[], None]) -> Callable[[], object]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
