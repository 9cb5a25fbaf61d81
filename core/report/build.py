"""The report on a study, in the current language. The results decide which sentences are in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

import pandas as pd

from core.i18n import N_, t
from core.labels import recipe_name, run_name, variant_name
from core.report import findings
from core.report.figures import CAPTIONS
from core.report.model import (
    Block,
    Bullet,
    BulletList,
    Code,
    Emphasis,
    Figure,
    FileLinks,
    Note,
    Paragraph,
    Report,
    Section,
    Strong,
    Table,
    Text,
    fill,
    join,
)
from core.report.pairs import pairwise_section
from core.report.protocol import (
    budget_limit,
    data_name,
    network_rows,
    retraining_rows,
    schedule_name,
    training_rows,
    training_time,
)
from core.report.provenance import Provenance
from core.report.references import references
from core.report.statistics import missing_runs
from core.report.study import Study, dead_layers
from core.report.tables import AT_CHANCE, compact_table, efficiency_table
from core.results.speed import noise_of
from core.results.statistics import summarise
from core.spec.datasets import BORDER
from core.spec.methods import DENSE, METHODS, effective_settings
from core.spec.networks import NETWORKS
from core.spec.spec import RunSpec

_MAX_NAMED = 10  # missing runs
_KINDS = {"unstructured": N_("single weights"), "structured": N_("whole filters")}


def build_report(study: Study, figures: Mapping[str, str], files: Sequence[str] = ()) -> Report:
    """The report on ``study``. ``figures``: those that it shows, by their names the files beside the report without the
    ending. ``files``: other files beside it, which it links to."""
    summary, source, names = summarise(study.frame), study.source, study.source.names()
    return Report(
        (
            Section(t("Pruning report"), 1, tuple(_about(source))),
            Section(t("Summary"), 2, (_bullets(findings.highlights(study.frame, summary, source, names)),)),
            Section(t("Methods"), 2, tuple(_methods(source))),
            Section(t("Protocol"), 2, tuple(_protocol(summary, source))),
            Section(t("Results"), 2, tuple(_results(study.frame, names, figures, files))),
            *_findings(study, summary, names),
            Section(t("Limits"), 2, (_bullets(_limits(study.frame, summary, source)),)),
            Section(t("References"), 2, (_bullets(references(source.variants.values())),)),
        )
    )


def localized_table(table: pd.DataFrame, names: Mapping[str, str]) -> Table:
    """The efficiency table ``table`` for a page; ``names``: what to call each variant."""
    printed = compact_table(table)
    rows = tuple((names[str(variant)], *numbers) for variant, *numbers in printed.rows)
    return Table(tuple(map(t, printed.head)), rows)


def _bullets(texts: Iterable[Text]) -> BulletList:
    return BulletList(tuple(map(Bullet, texts)))


def _synthetic() -> Text:
    warning = t(
        "The pictures were drawn by the program. The numbers show how the program works; they say nothing about real "
        "pictures."
    )
    return join(" ", (Strong(t("Synthetic data.")), warning))


def _about(source: Provenance) -> Iterator[Block]:
    if source.synthetic:
        yield Note(_synthetic())
    yield Paragraph(
        t(
            "Study: {label}. Finished runs: {runs}. Written by the program from their records; every number comes "
            "from them.",
            label=recipe_name(source.recipe),
            runs=source.runs,
        )
    )


def _methods(source: Provenance) -> Iterator[Block]:
    yield Paragraph(
        t(
            "Sparsity is the requested share of the weights of convolutions and linear layers that is gone, the same "
            "for every method. Methods that use the trained dense network use that of their seed. What each method was "
            "trained for is in the protocol."
        )
    )
    methods = dict.fromkeys(spec.method for spec in source.variants.values() if not spec.is_dense)
    yield BulletList(tuple(_method(name, source) for name in methods))


def _method(name: str, source: Provenance) -> Bullet:
    method = METHODS[name]
    text = fill(
        t("{label} (removes {kind}; {source}). {summary}"),
        label=Strong(variant_name(name)),
        kind=t(_KINDS[method.kind]),
        source=method.source or t("baseline"),
        summary=t(method.summary),
    )
    listed = [
        fill(
            t("{variant}: {settings}"),
            variant=Emphasis(variant_name(spec.method, spec.settings)),
            settings=join(", ", (Code(f"{setting.name}={value}") for setting, value in settings)),
        )
        for spec in source.variants.values()
        if spec.method == name and (settings := effective_settings(name, dict(spec.settings)))
    ]
    return Bullet(text, tuple(listed))


def _dense_schedule(source: Provenance) -> str:
    dense = next(iter(source.variants.values())).dense
    if dense.recipe.imported:
        return t("Imported with its weights. How it was trained is not known.")
    return schedule_name(dense, f"{dense.retrain.epochs}")


def _protocol(summary: pd.DataFrame, source: Provenance) -> Iterator[Block]:
    environment = (
        (t("Hardware"), source.hardware),
        (t("Software"), source.software),
        (t("Precision of training"), source.precisions),
        (t("Latency measurement"), [latency.describe() for latency in source.latency]),
        (t("Commit"), source.commits),
        (t("Finished (UTC)"), source.dates),
    )
    rows = (
        (t("Data"), data_name(source)),
        (
            t("Augmentation"),
            t(
                "in every epoch: random crops of the pictures with a black border of {n} pixels, random horizontal flips",
                n=round(BORDER * source.recipe.size),
            ),
        ),
        *network_rows(summary, source),
        (t("Dense training"), _dense_schedule(source)),
        *retraining_rows(source),
        *training_rows(source),
        (t("Seeds"), ", ".join(map(str, source.seeds))),
        *((item, "; ".join(values)) for item, values in environment if values),
        (t("Training time, all runs together"), training_time(source)),
    )
    yield Table((t("Item"), t("Value")), rows, text_columns=2)
    yield Paragraph(
        t(
            "MACs of training: three times those of a forward pass, for every picture and epoch, of the network as it is "
            "executed: a mask saves none. The dense training counts where weights or mask come from it, and the forward "
            "pass of the dense network where it is the teacher."
        )
    )
    yield Paragraph(
        t(
            "Accuracy is top-1 on the test pictures after the last epoch. ± is half of the 95 % Student-t interval of "
            "the mean over seeds; with one seed there is none. Change is against the dense runs of the same seeds, in "
            "percentage points. Size is that of the compressed file. A speed-up is measured: the latency of the dense "
            "network over that of the pruned one, timed in turns in the same process. A MAC ratio is not a speed-up."
        )
    )


def _results(
    study: pd.DataFrame, names: Mapping[str, str], figures: Mapping[str, str], files: Sequence[str]
) -> Iterator[Block]:
    table = efficiency_table(study)
    yield localized_table(table, names)
    if table["at_chance"].any():
        yield Paragraph(t(AT_CHANCE))
    if files:
        yield FileLinks(t("The table and the records behind it: {files}."), tuple(files))
    for name, file in figures.items():
        yield Figure(file, t(CAPTIONS[name]))


def _findings(study: Study, summary: pd.DataFrame, names: Mapping[str, str]) -> Iterator[Section]:
    heading, frame = t("Findings"), study.frame
    if (summary["method"] == DENSE).all():
        yield Section(heading, 2, (Paragraph(t("Only dense runs are finished: there is nothing to compare yet.")),))
        return
    rule = t(
        "A difference counts if it is larger than half of its 95 % interval, computed seed by seed. In brackets: "
        "points of accuracy by which the first method is ahead."
    )
    yield Section(heading, 2, ())
    rankings = _bullets(findings.rankings(frame, summary, names))
    yield Section(t("Which method is most accurate"), 3, (Paragraph(rule), rankings))
    yield Section(t("Where accuracy breaks down"), 3, (_bullets(findings.breakdowns(summary, names)),))
    yield Section(t("Size and speed"), 3, (_bullets(findings.costs(summary, names, frame[noise_of("speedup")].max())),))
    yield Section(t("Against the baselines"), 3, (findings.baselines(frame, summary, names),))
    yield from pairwise_section(frame, summary, names)
    if summary["at_chance"].any():
        yield Section(t("Networks at chance level"), 3, findings.at_chance(summary, names))
    dead = dead_layers(study.runs)
    if dead:
        yield Section(t("Layers that died"), 3, (_bullets(_dead(dead)),))


def _dead(dead: Mapping[RunSpec, Sequence[str]]) -> Iterator[str]:
    for run, layers in dead.items():
        yield t("{run}: no weight is left in {layers}.", run=run_name(run), layers=", ".join(layers))


def _limits(study: pd.DataFrame, summary: pd.DataFrame, source: Provenance) -> Iterator[Text]:
    if source.synthetic:
        yield _synthetic()
    if source.folder:
        yield t(
            "The pictures come from a folder. The program does not know how they were made, nor whether that cost "
            "quality."
        )
    network, width = NETWORKS.get(source.recipe.network), source.recipe.width
    if network and width != network.full_width:
        yield t(
            "The network has width {width}; the full {network} has width {full}.",
            width=width,
            network=network.label,
            full=network.full_width,
        )
    if summary["n"].min() < 2:
        yield t("Some results have one seed. They have no interval and support no claim about differences.")
    if summary["n"].max() > 1:
        yield t(
            "Intervals are Student-t intervals over at most {n} seeds and assume results that scatter normally. They "
            "are not corrected for the number of comparisons; the p-values of the pairs are.",
            n=summary["n"].max(),
        )
    missing = missing_runs(study)
    if missing:
        runs = (
            replace(source.variants[name], sparsity=float(sparsity), seed=int(seed)) for name, sparsity, seed in missing
        )
        named = [run_name(run) for run in islice(runs, _MAX_NAMED)]
        more = [t("and {count} more", count=len(missing) - len(named))] if len(missing) > len(named) else []
        yield t(
            "Runs of the full grid that are not finished: {missing} ({runs}).",
            missing=len(missing),
            runs="; ".join([*named, *more]),
        )
    yield from budget_limit(source)
    places = {latency.hardware for latency in source.latency if latency.hardware} or set(source.hardware)
    if len(places) == 1:
        yield t("Latency is that of {hardware}.", hardware=places.pop())
    elif places:
        yield t("The runs were executed on different hardware: their latencies in ms are not comparable.")
