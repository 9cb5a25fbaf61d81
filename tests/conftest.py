"""What holds for all tests: one thread each, so that a machine busy with other things does not stall them; and those that
take longest first, so that no process waits at the end for one that is alone with them."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

LONGEST = ("tests/e2e/", "tests/cli/", "tests/faults/", "tests/compatibility/")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
