"""The findings, in words: each sentence is chosen by the numbers in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from core.i18n import N_, t
from core.report import statistics
from core.report.model import Block, Bullet, BulletList, Paragraph, Strong, Table, Text, fill, join
from core.report.pairs import VERDICTS
from core.report.provenance import Provenance
from core.report.statistics import BREAK_POINTS, Breakdown, Ranking
from core.report.tables import with_interval
from core.results.speed import is_faster_or_slower, noise_of, same_operations
from core.spec.methods import DENSE

_OTHERS = {
    "ahead": N_("It is ahead, by more than the interval, of {others}."),
    "level": N_("It cannot be told apart from {others}."),
    "behind": N_("On the seeds that both have it is behind {others}."),
    "unknown": N_("Fewer than two common seeds, so no interval and no claim, beside {others}."),
}


def highlights(
    study: pd.DataFrame, summary: pd.DataFrame, source: Provenance, names: Mapping[str, str]
) -> Iterator[Text]:
    """What was run and what stands out."""
    dense, pruned = summary[summary["method"] == DENSE], summary[summary["method"] != DENSE]
    yield t(
        "Runs: {runs}. Methods: {variants}. Sparsities: {sparsities}. Seeds: {seeds}.",
        runs=source.runs,
        variants=", ".join(names[variant] for variant in pruned["variant"].unique()) or "—",
        sparsities=", ".join(f"{sparsity:g}" for sparsity in sorted(pruned["sparsity"].unique())) or "—",
        seeds=", ".join(map(str, source.seeds)),
    )
    for _, row in dense.iterrows():
        accuracy = with_interval(row["test_accuracy"], row["test_accuracy_ci"])
        yield t("The dense network reaches {accuracy} % on the test pictures.", accuracy=accuracy)
    if pruned.empty:
        yield t("Only dense runs are finished: there is nothing to compare yet.")
        return
    yield join(" ", _ranking(statistics.rankings(study, summary)[-1], names))
    yield _highlight(
        t(
            "The smallest file has {size} MB: {variant} at sparsity {sparsity}, with an accuracy change of {change} "
            "points."
        ),
        pruned.sort_values("model_size_mb").iloc[0],
        names,
    )
    timed = pruned[is_faster_or_slower(pruned, "speedup", "speedup_ci", study[noise_of("speedup")].max())]
    if len(timed):
        yield _highlight(
            t(
                "The largest measured speed-up at batch 1 is {speedup}: {variant} at sparsity {sparsity}, with an "
                "accuracy change of {change} points."
            ),
            timed.sort_values("speedup").iloc[-1],
            names,
        )


def _highlight(sentence: str, row: pd.Series, names: Mapping[str, str]) -> str:
    text = sentence.format(
        variant=names[row["variant"]],
        sparsity=f"{row['sparsity']:g}",
        size=f"{row['model_size_mb']:.3f}",
        speedup=with_interval(row["speedup"], row["speedup_ci"]),
        change=with_interval(row["accuracy_change"], row["accuracy_change_ci"], signed=True),
    )
    return " ".join((text, *_chance_note(int(row["at_chance"]), row["n"])))


def _chance_note(dead: int, n: int) -> Iterator[str]:
    """A warning if ``dead`` of ``n`` runs are at chance level."""
    if dead == n:
        yield t("It is at chance level.")
    elif dead:
        yield t("Runs at chance level: {dead} of {n}.", dead=dead, n=n)


def at_chance(summary: pd.DataFrame, names: Mapping[str, str]) -> tuple[Block, ...]:
    """The networks at chance level, and what that is."""
    explanation = t(
        "Their accuracy does not exceed that of guessing by three standard errors, or they are right on one class alone. "
        "Their sizes and speeds are those of networks that do not work."
    )
    bullets = (
        Bullet(
            fill(
                t("{variant} at sparsity {sparsity:g}: accuracy {accuracy} %; runs at chance level: {dead} of {n}."),
                variant=Strong(names[row["variant"]]),
                sparsity=row["sparsity"],
                accuracy=with_interval(row["test_accuracy"], row["test_accuracy_ci"]),
                dead=row["at_chance"],
                n=row["n"],
            )
        )
        for _, row in summary[summary["at_chance"] > 0].iterrows()
    )
    return Paragraph(explanation), BulletList(tuple(bullets))


def rankings(study: pd.DataFrame, summary: pd.DataFrame, names: Mapping[str, str]) -> Iterator[Text]:
    """Which variant is most accurate at each sparsity, and which differences exceed their interval."""
    for ranking in statistics.rankings(study, summary):
        yield join(" ", _ranking(ranking, names))


def _ranking(ranking: Ranking, names: Mapping[str, str]) -> Iterator[Text]:
    yield fill(
        t("Sparsity {sparsity:g}: {leader} has the highest mean accuracy, {accuracy:.2f} %.")
        if ranking.n > 1
        else t("Sparsity {sparsity:g}: {leader} has the highest accuracy, {accuracy:.2f} %, in a single run."),
        sparsity=ranking.sparsity,
        leader=Strong(names[ranking.leader]),
        accuracy=ranking.accuracy,
    )
    yield from _chance_note(ranking.at_chance, ranking.n)
    if not ranking.gaps:
        yield t("No other method was run at this sparsity.")
    for verdict, sentence in _OTHERS.items():
        others = [
            f"{names[variant]} ({with_interval(gap.mean, gap.half_width, signed=True)})"
            for variant, gap in ranking.gaps
            if gap.verdict == verdict
        ]
        if others:
            yield t(sentence, others=", ".join(others))


def breakdowns(summary: pd.DataFrame, names: Mapping[str, str]) -> Iterator[Text]:
    """Where each variant first loses more than a few points against dense."""
    for breakdown in statistics.breakdowns(summary):
        yield join(" ", _breakdown(breakdown, names))


def _breakdown(breakdown: Breakdown, names: Mapping[str, str]) -> Iterator[Text]:
    yield fill(
        t("{variant} first loses more than {limit:g} points at sparsity {sparsity:g}: {change} points.")
        if breakdown.broken
        else t(
            "{variant} loses more than {limit:g} points at no sparsity that was run; at the highest, {sparsity:g}, "
            "the change is {change} points."
        ),
        variant=Strong(names[breakdown.variant]),
        limit=BREAK_POINTS,
        sparsity=breakdown.sparsity,
        change=with_interval(breakdown.change, breakdown.half_width, signed=True),
    )
    if math.isnan(breakdown.half_width):
        yield t("One seed: no interval, so no claim.")
    elif abs(breakdown.change + BREAK_POINTS) <= breakdown.half_width:
        yield t("The interval reaches across this limit, so this is not certain.")


def costs(summary: pd.DataFrame, names: Mapping[str, str], noise: float) -> Iterator[Text]:
    """What each variant's file and latency are at its highest sparsity."""
    (dense_size,) = summary.loc[summary["method"] == DENSE, "model_size_mb"].tolist() or [math.nan]
    for variant, group in summary[summary["method"] != DENSE].groupby("variant", sort=False):
        rows = group.sort_values("sparsity")
        top = rows.iloc[-1]
        size = fill(
            t(
                "{variant} at sparsity {sparsity:g}: {size:.3f} MB on disk, where the dense network has {dense:.3f} "
                "MB (ratio {ratio:.2f}); reached sparsity {reached:.4f}."
            ),
            variant=Strong(names[str(variant)]),
            sparsity=top["sparsity"],
            size=top["model_size_mb"],
            dense=dense_size,
            ratio=top["size_ratio"],
            reached=top["reached_sparsity"],
        )
        yield join(" ", (size, *_speed(rows, noise)))


def _speed(rows: pd.DataFrame, noise: float) -> Iterator[str]:
    """What was measured about the speed of one variant, its ``rows`` in the order of sparsity; ``noise``: how far from 1 the
    ratio of identical networks may be."""
    top = rows.iloc[-1]
    if rows[["mac_ratio", "speedup", "batch_speedup"]].isna().any(axis=None):
        return
    if same_operations(rows).all():
        yield t("It executes the same operations as the dense network: 1× by construction, no speed-up.")
        return
    yield t(
        "MAC ratio {macs:.2f}; measured speed-up {single} at batch 1, {batch} at the large batch.",
        macs=top["mac_ratio"],
        single=with_interval(top["speedup"], top["speedup_ci"]),
        batch=with_interval(top["batch_speedup"], top["batch_speedup_ci"]),
    )
    gain, half_width = top["speedup"] - 1, np.fmax(top["speedup_ci"], noise)
    if abs(gain) <= half_width:
        yield t("At batch 1 it cannot be told apart from dense.")
    elif gain > half_width:
        yield t("At batch 1 it is faster than dense by more than the interval and the noise of the method.")
    elif gain < -half_width:
        yield t("At batch 1 it is slower than dense by more than the interval and the noise of the method.")


def baselines(study: pd.DataFrame, summary: pd.DataFrame, names: Mapping[str, str]) -> Block:
    """A table of variants beside the baselines that they have to beat."""
    rows = tuple(
        (
            names[pair.variant],
            names[pair.baseline],
            f"{pair.sparsity:g}",
            with_interval(pair.gap.mean, pair.gap.half_width, signed=True),
            t(VERDICTS[pair.gap.verdict]),
        )
        for pair in statistics.baseline_comparisons(study, summary)
    )
    if not rows:
        return Paragraph(t("No baseline was run, so this study cannot say whether a method is better than chance."))
    head = (t("Method"), t("Baseline"), t("Sparsity"), t("Ahead by (points)"), t("Verdict"))
    return Table(head, rows, text_columns=2)
