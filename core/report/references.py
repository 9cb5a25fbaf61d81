"""The papers behind methods, settings, network, data and the way of comparing."""

from __future__ import annotations

from collections.abc import Iterable

from core.spec.datasets import DATASETS
from core.spec.methods import METHODS, effective_settings
from core.spec.networks import NETWORKS
from core.spec.spec import RunSpec

_COMPARISON = (
    "D. Blalock, J. J. Gonzalez Ortiz, J. Frankle, J. Guttag. What is the State of Neural Network Pruning? MLSys 2020."
)


def references(specs: Iterable[RunSpec]) -> list[str]:
    """The papers that a report on ``specs`` rests on, each once. A method without citations is named by its source."""
    found: dict[str, None] = {}
    networks: dict[str, None] = {}
    for spec in specs:
        if spec.recipe.network in NETWORKS:
            networks[NETWORKS[spec.recipe.network].citation] = None
        if spec.is_dense:
            continue
        method = METHODS[spec.method]
        options = [s.option(value) for s, value in effective_settings(spec.method, dict(spec.settings))]
        papers = (*(method.citations or (method.source,)), *(option.citation for option in options))
        data = DATASETS.get(spec.recipe.data)
        found |= dict.fromkeys((*papers, data.citation if data else ""))
    return [*filter(None, found), *networks, _COMPARISON]
