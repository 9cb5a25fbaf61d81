"""The table in the README: the original experiment, the best published numbers, and the sample study.

    python -m samples.readme_table [--language ko]

The sample study's numbers come from its records; those of others are as they reported them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import pandas as pd

from core.report.markdown import render_block
from core.report.model import Table
from core.report.tables import with_interval
from core.results.frame import Results, study_frame
from core.results.sample import SAMPLE
from core.results.statistics import summarise
from core.spec.methods import DENSE

# Accuracy (%) of the original experiment: ResNet-18 of width 64, CIFAR-10, 200 + 100 epochs, three seeds.
ORIGINAL_DENSE = 94.9
ORIGINAL: Mapping[str, Mapping[float, float]] = {
    "magnitude": {0.5: 94.3, 0.7: 93.5, 0.9: 92.7, 0.95: 88.2},
    "structured": {0.5: 93.8, 0.7: 92.1, 0.9: 90.3, 0.95: 85.1},
    "lottery_ticket": {0.5: 94.4, 0.7: 93.7, 0.9: 92.5, 0.95: 88.9},
}
# Of the same network and data at 90 %, dense networks between 94.3 and 95.4: iterative or learning-rate rewinding; ratio
# chosen per layer, 2.7 times fewer MACs; rewound to an early epoch.
PUBLISHED = {"magnitude": "94.8 %", "structured": "93.9 %", "lottery_ticket": "≈ 94 %"}
PUBLISHED_AT = 0.9
LABELS = {
    "en": {"magnitude": "Magnitude", "structured": "Structured", "lottery_ticket": "Lottery ticket, rewound"},
    "ko": {"magnitude": "크기 기준", "structured": "구조적", "lottery_ticket": "로터리 티켓(되감기)"},
}
HEADS = {
    "en": ("Method", "Sparsity", "Original experiment", "Best published", "Sample study", "Speed-up, batch 64"),
    "ko": ("방법", "희소도", "원래 실험", "가장 좋은 발표값", "예제 연구", "속도 향상, 배치 64"),
}


def sample_summary() -> pd.DataFrame:
    """Mean and interval of each configuration of the sample study."""
    frame = Results(SAMPLE).frame()
    recipe = frame.loc[frame["method"] != DENSE, "recipe"].iloc[0]
    return summarise(study_frame(frame, recipe))


def readme_table(language: str = "en") -> str:
    """Change of accuracy against the dense network, in percentage points, as a Markdown table."""
    rows = []
    for _, row in sample_summary().iterrows():
        method, sparsity = row["method"], row["sparsity"]
        if method == DENSE:
            continue
        reported = ORIGINAL[method].get(sparsity)
        rows.append(
            (
                LABELS[language][method],
                f"{sparsity:g}",
                "—" if reported is None else f"{reported - ORIGINAL_DENSE:+.1f}",
                PUBLISHED[method] if sparsity == PUBLISHED_AT else "—",
                with_interval(row["accuracy_change"], row["accuracy_change_ci"], 1, signed=True),
                f"{row['batch_speedup']:.2f}×",
            )
        )
    return render_block(Table(HEADS[language], tuple(rows)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", choices=HEADS, default="en")
    print(readme_table(parser.parse_args().language), end="")
