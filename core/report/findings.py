"""The findings, in words: each sentence is chosen by the numbers in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import pandas as pd

from core.report import statistics as facts
from core.report.provenance import Provenance
from core.report.statistics import BREAK_POINTS, Breakdown, Contest
from core.report.tables import markdown_table, with_interval
from core.report.words import Words
from core.spec.methods import DENSE

_NO_SPEEDUP = (0.95, 1.05)  # a measured speed-up in this range is none


def highlights(words: Words, study: pd.DataFrame, summary: pd.DataFrame, source: Provenance) -> Iterator[str]:
    """What was run and what stands out."""
    said = words.text
    dense, pruned = summary[summary["method"] == DENSE], summary[summary["method"] != DENSE]
    yield said["summary.scope"].format(
        runs=source.runs,
        variants=", ".join(map(words.variant, pruned["variant"].unique())) or "—",
        sparsities=", ".join(f"{sparsity:g}" for sparsity in sorted(pruned["sparsity"].unique())) or "—",
        seeds=", ".join(map(str, source.seeds)),
    )
    for _, row in dense.iterrows():
        yield said["summary.dense"].format(accuracy=with_interval(row["test_accuracy"], row["test_accuracy_ci"]))
    if pruned.empty:
        yield said["summary.dense_only"]
        return
    yield " ".join(_contest(words, facts.contests(study, summary)[-1]))
    yield said["summary.size"].format(**_numbers(words, pruned.sort_values("model_size_mb").iloc[0]))
    timed = pruned[(pruned["mac_ratio"] > 1) & pruned["speedup"].notna()]
    if len(timed):
        yield said["summary.speed"].format(**_numbers(words, timed.sort_values("speedup").iloc[-1]))


def contests(words: Words, study: pd.DataFrame, summary: pd.DataFrame) -> Iterator[str]:
    """Who is most accurate at each sparsity, and which differences exceed their interval."""
    for contest in facts.contests(study, summary):
        yield " ".join(_contest(words, contest))


def _contest(words: Words, contest: Contest) -> Iterator[str]:
    said = words.text
    yield said["win.head" if contest.n > 1 else "win.single"].format(
        sparsity=f"{contest.sparsity:g}", leader=words.variant(contest.leader), accuracy=f"{contest.accuracy:.2f}"
    )
    if not contest.gaps:
        yield said["win.alone"]
    for verdict in ("ahead", "level", "behind", "unknown"):
        others = [
            f"{words.variant(name)} ({with_interval(gap.mean, gap.half, signed=True)})"
            for name, gap in contest.gaps
            if gap.verdict == verdict
        ]
        if others:
            yield said[f"win.{verdict}"].format(others=", ".join(others))


def breakdowns(words: Words, summary: pd.DataFrame) -> Iterator[str]:
    """Where each variant first loses more than a few points against dense."""
    for found in facts.breakdowns(summary):
        text = words.text["break.broken" if found.broken else "break.kept"].format(
            variant=words.variant(found.variant),
            limit=f"{BREAK_POINTS:g}",
            sparsity=f"{found.sparsity:g}",
            change=with_interval(found.change, found.half, signed=True),
        )
        yield " ".join([text, *_doubt(words, found)])


def _doubt(words: Words, found: Breakdown) -> Iterator[str]:
    if math.isnan(found.half):
        yield words.text["break.single"]
    elif abs(found.change + BREAK_POINTS) <= found.half:
        yield words.text["break.unsure"]


def costs(words: Words, summary: pd.DataFrame) -> Iterator[str]:
    """What each variant's file and latency are at its highest sparsity."""
    (dense_size,) = summary.loc[summary["method"] == DENSE, "model_size_mb"].tolist() or [math.nan]
    for variant, group in summary[summary["method"] != DENSE].groupby("variant", sort=False):
        rows = group.sort_values("sparsity")
        top = rows.iloc[-1]
        text = words.text["cost.size"].format(
            variant=words.variant(str(variant)),
            sparsity=f"{top['sparsity']:g}",
            size=f"{top['model_size_mb']:.3f}",
            dense=f"{dense_size:.3f}",
            ratio=f"{top['size_ratio']:.2f}",
            reached=f"{top['reached_sparsity']:.4f}",
        )
        yield " ".join([text, *_speed(words, rows)])


def _speed(words: Words, rows: pd.DataFrame) -> Iterator[str]:
    """What was measured about the speed of one variant, its ``rows`` in the order of sparsity."""
    said, top = words.text, rows.iloc[-1]
    if rows[["mac_ratio", "speedup", "batch_speedup"]].isna().any(axis=None):
        return
    if (rows["mac_ratio"].round(2) == 1).all():
        # The same computation as the dense network's: whatever was measured, nothing was gained.
        spans = {name: facts.span(rows[column]) for name, column in (("single", "speedup"), ("batch", "batch_speedup"))}
        texts = {name: _range(words, ends) for name, ends in spans.items()}
        yield said["cost.same"].format(macs=f"{top['mac_ratio']:.2f}", **texts)
        low, high = _NO_SPEEDUP
        near = all(low <= end <= high for ends in spans.values() for end in ends)
        yield said["cost.none" if near else "cost.scatter"]
        return
    yield said["cost.less"].format(
        macs=f"{top['mac_ratio']:.2f}",
        single=with_interval(top["speedup"], top["speedup_ci"]),
        batch=with_interval(top["batch_speedup"], top["batch_speedup_ci"]),
    )
    half = top["speedup_ci"]
    if not math.isnan(half):
        gain = top["speedup"] - 1
        yield said["cost.level" if abs(gain) <= half else "cost.faster" if gain > 0 else "cost.slower"]


def _range(words: Words, ends: Iterable[float]) -> str:
    low, high = (f"{end:.2f}" for end in ends)
    return low if low == high else words.text["cost.range"].format(low=low, high=high)


def baselines(words: Words, study: pd.DataFrame, summary: pd.DataFrame) -> str:
    """A table of methods beside the baselines that they have to beat."""
    said = words.text
    rows = [
        (
            words.variant(duel.variant),
            words.variant(duel.baseline),
            f"{duel.sparsity:g}",
            with_interval(duel.gap.mean, duel.gap.half, signed=True),
            said[f"baseline.{duel.gap.verdict}"],
        )
        for duel in facts.duels(study, summary)
    ]
    if not rows:
        return said["baseline.absent"] + "\n"
    head = [said[f"baseline.{name}"] for name in ("variant", "name", "sparsity", "gap", "verdict")]
    return markdown_table(head, rows, texts=2)


def _numbers(words: Words, row: pd.Series) -> dict[str, str]:
    return {
        "variant": words.variant(row["variant"]),
        "sparsity": f"{row['sparsity']:g}",
        "size": f"{row['model_size_mb']:.3f}",
        "speedup": with_interval(row["speedup"], row["speedup_ci"]),
        "change": with_interval(row["accuracy_change"], row["accuracy_change_ci"], signed=True),
    }
