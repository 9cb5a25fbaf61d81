"""What holds for all tests: one thread each, so that a machine busy with other things does not stall them."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
