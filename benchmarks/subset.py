"""Make a smaller data set: the first pictures of each class, by name, of a folder of pictures.

    python -m benchmarks.subset FROM TO --train 2000 --test 400

FROM and TO hold ``train/<class>/*`` and ``test/<class>/*``; TO must not exist yet.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path


def copy_first(source: Path, target: Path, count: int) -> int:
    """Copy the first ``count`` pictures of each class folder of ``source``, by name; how many there were."""
    copied = 0
    for folder in sorted(entry for entry in source.iterdir() if entry.is_dir()):
        (target / folder.name).mkdir(parents=True)
        for picture in sorted(folder.iterdir())[:count]:
            shutil.copyfile(picture, target / folder.name / picture.name)
            copied += 1
    return copied


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="FROM")
    parser.add_argument("target", type=Path, metavar="TO")
    parser.add_argument("--train", type=int, default=2000, help="training pictures a class")
    parser.add_argument("--test", type=int, default=400, help="test pictures a class")
    options = parser.parse_args()
    if not all((options.source / split).is_dir() for split in ("train", "test")):
        print(f"{options.source}: give a folder with train/<class>/* and test/<class>/*.", file=sys.stderr)
        return 2
    if options.target.exists() and any(options.target.iterdir()):
        print(f"{options.target} is not empty: give a new folder.", file=sys.stderr)
        return 2
    for split in ("train", "test"):
        copied = copy_first(options.source / split, options.target / split, getattr(options, split))
        print(f"{copied:,} pictures in {options.target / split}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
