"""The registry of methods as test parameters, so that a new method or choice is tested by existing."""

from core.spec.methods import METHODS
from core.spec.settings import TARGET

UNSTRUCTURED = [name for name, method in METHODS.items() if method.kind == "unstructured"]


def variants(names=METHODS):
    """Every method of ``names`` with its defaults, then with each other choice of each setting on its own."""
    for name in names:
        yield name, {}
        for setting in METHODS[name].settings:
            if setting is TARGET:  # of networks that are not this thin: test_layer_times
                continue
            needed = dict([setting.only_with]) if setting.only_with else {}
            yield from ((name, {**needed, setting.name: c}) for c in setting.choices if c != setting.default)
