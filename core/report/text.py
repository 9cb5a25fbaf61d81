"""The report's structure: which sentences are said is decided by the facts, how they are said by the language."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from core.report import english, findings, korean
from core.report.provenance import Provenance
from core.report.references import references
from core.report.statistics import missing_runs
from core.report.tables import efficiency_table, escape_markdown, markdown_table, to_markdown
from core.report.words import Words
from core.results.statistics import summarise
from core.spec.methods import DENSE, METHODS
from core.spec.networks import NETWORKS, RESNET18
from core.spec.spec import RunSpec

LANGUAGES: Mapping[str, Words] = {"en": english.WORDS, "ko": korean.WORDS}
_MAX_NAMED = 10  # missing runs


def build_report(
    study: pd.DataFrame,
    source: Provenance,
    dead: Mapping[RunSpec, Sequence[str]],
    *,
    language: str = "en",
    figures: Sequence[str] = (),
    files: Sequence[str] = (),
) -> str:
    """The report on ``study`` as Markdown.

    ``dead``: the layers that lost every weight, by run. ``figures``: names of PNG files beside the report that it shows,
    without their ending; after a dot they may name their language. ``files``: other files beside it.
    """
    words = replace(LANGUAGES[language], variants=source.variants)
    summary = summarise(study)
    said = words.text
    return "\n".join(
        [
            f"# {said['title']}\n",
            *([f"> {said['synthetic']}\n"] if source.synthetic else []),
            said["about"].format(label=escape_markdown(source.recipe.label), runs=source.runs) + "\n",
            *_section(said["summary"], bullets(findings.highlights(words, study, summary, source))),
            *_section(said["methods"], _methods(words, source)),
            *_section(said["protocol"], _protocol(words, summary, source)),
            *_section(said["results"], _results(words, study, figures, files)),
            *_section(said["findings"], _findings(words, study, summary, dead)),
            *_section(said["limits"], bullets(_limits(words, study, summary, source))),
            *_section(said["references"], bullets(references(source.variants.values()))),
        ]
    )


def bullets(items: Sequence[str] | Iterator[str]) -> str:
    """A Markdown list."""
    return "".join(f"- {item}\n" for item in items)


def _section(heading: str, body: str) -> list[str]:
    return [f"## {heading}\n", body]


def _methods(words: Words, source: Provenance) -> str:
    said = words.text
    lines = []
    for name in dict.fromkeys(spec.method for spec in source.variants.values() if not spec.is_dense):
        method = METHODS[name]
        text = said["methods.item"].format(
            label=words.variant(method.label),
            kind=said[f"methods.{method.kind}"],
            source=method.source or said["methods.baseline"],
            summary=words.methods.get(name, method.summary),
        )
        variants = [(label, spec) for label, spec in source.variants.items() if spec.method == name and spec.settings]
        settings = [
            "  - "
            + said["methods.setting"].format(
                variant=words.variant(label), settings=", ".join(f"`{key}={value}`" for key, value in spec.settings)
            )
            for label, spec in variants
        ]
        lines.append("\n".join([text, *settings]))
    return said["methods.sparsity"] + "\n\n" + bullets(lines)


def _protocol(words: Words, summary: pd.DataFrame, source: Provenance) -> str:
    said = words.text
    rows = [
        (said["protocol.data"], _data(words, source)),
        *_network(words, summary, source),
        (said["protocol.train"], _schedule(words, next(iter(source.variants.values())).dense)),
        *_retraining(words, source),
        (said["protocol.seeds"], ", ".join(map(str, source.seeds))),
        *((said[f"protocol.{name}"], "; ".join(map(escape_markdown, values))) for name, values in _environment(source)),
        (said["protocol.minutes"], _minutes(words, source)),
    ]
    table = markdown_table((said["protocol.item"], said["protocol.value"]), rows, texts=2)
    return f"{table}\n{said['protocol.measures']}\n"


def _environment(source: Provenance) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What was noted about where the runs were executed."""
    for name in ("hardware", "software", "precision", "latency", "commit", "dates"):
        values = getattr(source, {"precision": "precisions", "commit": "commits"}.get(name, name))
        if values:
            yield name, values


def _data(words: Words, source: Provenance) -> str:
    form = "protocol.data_synthetic" if source.synthetic else "protocol.data_folder" if source.folder else ""
    name = escape_markdown(source.data)
    data = words.text[form].format(data=name) if form else name
    if source.train_pictures is None:
        return data
    return words.text["protocol.pictures"].format(data=data, pictures=source.train_pictures)


def _network(words: Words, summary: pd.DataFrame, source: Provenance) -> Iterator[tuple[str, str]]:
    dense = summary[summary["method"] == DENSE]
    if len(dense):
        numbers = {"params": f"{dense['params_millions'].iloc[0]:.3f}", "macs": f"{dense['macs'].iloc[0] / 1e6:.1f}"}
        value = words.text["protocol.network_value"].format(width=source.recipe.width, **numbers)
        yield words.text["protocol.network"], value


def _retraining(words: Words, source: Provenance) -> Iterator[tuple[str, str]]:
    """How the networks were trained after pruning: variants with the same schedule in one row."""
    rows: dict[str, list[str]] = {}
    for label, spec in source.variants.items():
        if not spec.is_dense:
            rows.setdefault(_schedule(words, spec), []).append(words.variant(label))
    for schedule, labels in rows.items():
        yield words.text["protocol.finetune"].format(variants=", ".join(labels)), schedule


def _schedule(words: Words, spec: RunSpec) -> str:
    schedule, settings = spec.retrain, dict(spec.settings)
    form = "protocol.rewound" if settings.get("retraining") == "lr-rewinding" else "protocol.schedule"
    text = words.text[form].format(
        epochs=schedule.epochs,
        lr=f"{schedule.lr:g}",
        momentum=f"{schedule.momentum:g}",
        weight_decay=f"{schedule.weight_decay:g}",
        batch_size=schedule.batch_size,
    )
    if settings.get("schedule") == "iterative":
        text = words.text["protocol.rounds"].format(schedule=text, rounds=settings["rounds"])
    return text


def _minutes(words: Words, source: Provenance) -> str:
    train = f"{source.train_minutes:.1f}"
    if source.wall_minutes is None:
        return words.text["protocol.minutes_value"].format(train=train)
    return words.text["protocol.wall_value"].format(train=train, wall=f"{source.wall_minutes:.1f}")


def _results(words: Words, study: pd.DataFrame, figures: Sequence[str], files: Sequence[str]) -> str:
    said = words.text
    parts = [to_markdown(efficiency_table(study), words.headings, words.variant)]
    if files:
        parts.append(said["files"].format(files=", ".join(f"[{name}]({name})" for name in files)) + "\n")
    for name in figures:
        shows = said[f"figure.{name.partition('.')[0]}"]
        parts.append(f"![{shows}]({name}.png)\n\n*{shows}*\n")
    return "\n".join(parts)


def _findings(words: Words, study: pd.DataFrame, summary: pd.DataFrame, dead: Mapping[RunSpec, Sequence[str]]) -> str:
    said = words.text
    if (summary["method"] == DENSE).all():
        return said["summary.dense_only"] + "\n"
    parts: list[tuple[str, Callable[[], str]]] = [
        ("win", lambda: said["win.rule"] + "\n\n" + bullets(findings.contests(words, study, summary))),
        ("break", lambda: bullets(findings.breakdowns(words, summary))),
        ("cost", lambda: bullets(findings.costs(words, summary))),
        ("baseline", lambda: findings.baselines(words, study, summary)),
    ]
    if dead:
        parts.append(("dead", lambda: bullets(_dead(words, dead))))
    return "\n".join(f"### {said[name]}\n\n{body()}" for name, body in parts)


def _dead(words: Words, dead: Mapping[RunSpec, Sequence[str]]) -> Iterator[str]:
    for run, layers in dead.items():
        yield words.text["dead.item"].format(
            run=words.run(run.variant, run.sparsity, run.seed), layers=escape_markdown(", ".join(layers))
        )


def _limits(words: Words, study: pd.DataFrame, summary: pd.DataFrame, source: Provenance) -> Iterator[str]:
    said = words.text
    if source.synthetic:
        yield said["synthetic"]
    if source.folder:
        yield said["limits.folder"]
    if source.recipe.width != NETWORKS[RESNET18].full_width:
        yield said["limits.width"].format(width=source.recipe.width, full=NETWORKS[RESNET18].full_width)
    if summary["n"].min() < 2:
        yield said["limits.single"]
    if summary["n"].max() > 1:
        yield said["limits.seeds"].format(n=summary["n"].max())
    missing = missing_runs(study)
    if missing:
        named = [words.run(*run) for run in missing[:_MAX_NAMED]]
        more = [said["limits.more"].format(count=len(missing) - len(named))] if len(missing) > len(named) else []
        yield said["limits.missing"].format(missing=len(missing), runs="; ".join([*named, *more]))
    if source.recipe.finetune is not None:
        yield said["limits.budget"].format(epochs=source.recipe.finetune.epochs)
    yield said["limits.latency" if len(source.hardware) == 1 else "limits.hardware"]
