"""Latency: what is timed, on how many threads, and what a captured graph must keep alive."""

import gc
import weakref
from functools import partial

import torch

from core.engine import cuda_graph, structured_prune_filters
from core.engine.device import threads
from core.engine.latency import time_latency


def test_latency_is_per_picture_and_ordered(model):
    times = time_latency({"a": model, "b": structured_prune_filters(model, 0.9)}, 4, seconds=0.01)
    for latency in times.values():
        assert 0 < latency.q1_ms <= latency.median_ms <= latency.q3_ms
        assert latency.calls >= 10
        assert latency.batch == 4


def test_one_picture_is_timed_on_one_thread_and_a_batch_on_those_of_training(model):
    with threads(2):
        single = time_latency({"net": model}, 1, seconds=0.01)["net"]
        batch = time_latency({"net": model}, 4, seconds=0.01)["net"]
        assert torch.get_num_threads() == 2
    assert (single.threads, batch.threads) == (1, 2)


class RecordedGraph:
    """Stands for a CUDA graph: counts its replays."""

    def __init__(self):
        self.replays = 0

    def replay(self):
        self.replays += 1


class Recording:
    def __init__(self, graph):
        self.graph = graph

    def __enter__(self):
        return self.graph

    def __exit__(self, *_):
        pass


def test_a_replay_keeps_alive_what_its_graph_reads(monkeypatch):
    """A CUDA graph goes on reading the memory of the network and the images, whoever else has let go of them."""
    monkeypatch.setattr(torch.cuda, "CUDAGraph", RecordedGraph)
    monkeypatch.setattr(torch.cuda, "graph", Recording)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    network, images = torch.nn.Linear(2, 2), torch.zeros(1, 2)
    replay = cuda_graph.capture(partial(network, images))
    references = [weakref.ref(network), weakref.ref(images)]
    del network, images
    gc.collect()
    replay()
    assert replay.graph.replays == 1
    assert all(reference() is not None for reference in references)
    del replay
    gc.collect()
    assert all(reference() is None for reference in references)
