"""The files that a study leaves behind: results as JSON, tables, figures and the report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from core.i18n import Message, use_language
from core.report import tables
from core.report.figures import figures
from core.report.provenance import Finished, Provenance, provenance
from core.report.rasterize import KINDS, draw, has_korean_font
from core.report.text import LANGUAGES, build_report
from core.results.frame import METRICS, Results, studies, study_frame, summarise
from core.runs.atomic_io import MAX_TIME, atomic_write
from core.runs.folder import Home, RunFolder
from core.runs.status import curves
from core.spec.errors import InputError, invalid_value, os_reason
from core.spec.methods import DENSE
from core.spec.spec import Recipe, RunSpec
from core.spec.validate import finite

# What a reader of all_results.json finds first in every run.
FIRST_KEYS = (
    "method",
    "sparsity",
    "seed",
    "test_accuracy",
    "params_millions",
    "model_size_mb",
    "inference_latency_ms",
)
FORMAT = "prunescope-results-1"


@dataclass(frozen=True)
class Study:
    """The finished runs of one recipe; ``name`` is that of its folder of files, ``others`` the recipes beside it."""

    key: str
    label: str
    others: Mapping[str, str]
    frame: pd.DataFrame
    folders: Sequence[RunFolder]
    runs: Sequence[Finished]
    source: Provenance

    @property
    def name(self) -> str:
        return f"{self.source.recipe.preset}-{self.key}"


def find_study(home: Home, wanted: str | None = None) -> Study:
    """The study whose recipe has the key or label ``wanted``, or that with the newest result. InputError if there are no
    results, or none of that recipe."""
    frame = Results(home).frame()
    there = studies(frame)
    if not there:
        raise InputError(
            "{path} has no results: train something first, or name another folder with --home.", path=home.path
        )
    matching = [key for key, label in there.items() if wanted in (None, key, label)]
    if not matching:
        raise invalid_value(
            "--recipe",
            wanted,
            Message("one of {choices}", choices="; ".join(f"{key} ({label})" for key, label in there.items())),
        )
    key = matching[0]
    rows = study_frame(frame, key)
    folders = [home.run(run_id) for run_id in rows["run_id"]]
    runs = [Finished(folder.spec, folder.result() or {}, _finished(folder)) for folder in folders]
    others = {other: label for other, label in there.items() if other != key}
    return Study(key, there[key], others, rows, folders, runs, provenance(_recipe(runs), runs))


def result_files(study: Study) -> dict[str, str]:
    """all_results.json, and the efficiency table as CSV, Markdown and LaTeX, by the names of their files."""
    table = tables.efficiency_table(study.frame)
    return {
        "all_results.json": json.dumps(all_results(study), indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        "efficiency_table.csv": tables.to_csv(table),
        "efficiency_table.md": tables.to_markdown(table),
        "efficiency_table.tex": tables.to_latex(table),
    }


def figure_language(language: str) -> str:
    """The language of the figures in a report in ``language``: English where no font here has its letters."""
    return language if language != "ko" or has_korean_font() else "en"


def figure_specs(study: Study, language: str = "en") -> dict[str, dict[str, Any]]:
    """Every figure as Vega-Lite, by the name of its file without the ending."""
    with use_language(language):
        caption = study.source.caption()
        found = figures(study.frame, _layers(study), curves(study.folders), caption)
    return {name if language == "en" else f"{name}.{language}": spec for name, spec in found.items()}


def report_text(study: Study, language: str, files: Iterable[Path]) -> str:
    """The report in ``language``, a key of LANGUAGES, which shows and links to those of ``files`` that lie beside it:
    of the figures, those in its language if there are any."""
    files = list(files)
    drawn = [path.stem for path in files if path.suffix == ".png"]
    own = [name for name in drawn if name.endswith(f".{language}")]
    return build_report(
        study.frame,
        study.source,
        _dead_layers(study.runs),
        language=language,
        figures=own or [name for name in drawn if "." not in name],
        files=[path.name for path in files if path.suffix not in (".png", ".svg")],
    )


def report_name(language: str) -> str:
    """The name of the report's file."""
    return "report.md" if language == "en" else f"report.{language}.md"


def write_results(study: Study, out: Path) -> list[Path]:
    """Write all_results.json and the efficiency table as CSV, Markdown and LaTeX; the files."""
    return [_write(out / name, text.encode()) for name, text in result_files(study).items()]


def write_figures(study: Study, out: Path, language: str = "en") -> list[Path]:
    """Write every figure as PNG and SVG; the files."""
    specs = figure_specs(study, language)
    return [_write(out / f"{name}.{kind}", draw(spec, kind)) for name, spec in specs.items() for kind in KINDS]


def write_report(study: Study, out: Path, language: str = "en") -> list[Path]:
    """Write the report, and all that it shows and links to; the files, the report last. InputError for a language that
    there is none in."""
    if language not in LANGUAGES:
        raise invalid_value("--language", language, Message("one of {choices}", choices=", ".join(LANGUAGES)))
    return _write_reports(study, out, (language,), {figure_language(language)})


def write_everything(study: Study, out: Path, drawn_in: Iterable[str] = LANGUAGES) -> list[Path]:
    """Write results, tables, figures in the languages ``drawn_in``, and the report in every language; the files."""
    return _write_reports(study, out, LANGUAGES, map(figure_language, drawn_in))


def _write_reports(study: Study, out: Path, languages: Iterable[str], drawn_in: Iterable[str]) -> list[Path]:
    files = write_results(study, out)
    for language in dict.fromkeys(drawn_in):
        files += write_figures(study, out, language)
    reports = [_write(out / report_name(name), report_text(study, name, files).encode()) for name in languages]
    return [*files, *reports]


def all_results(study: Study) -> dict[str, Any]:
    """Everything about a study as plain JSON data: where it comes from, mean and interval of every configuration, and
    the whole record of every run. docs/results.schema.json describes it."""
    return {
        "format": FORMAT,
        "study": _provenance(study),
        "configurations": list(_configurations(study.frame)),
        "runs": [_run(study.frame, row, run) for row, run in enumerate(study.runs)],
    }


def output_folder(path: Path) -> Path:
    """``path``, made if it is not there; InputError if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "{path} cannot be written ({reason}): choose another folder with --out.", path=path, reason=os_reason(error)
        ) from None
    return path


def _provenance(study: Study) -> dict[str, Any]:
    source = study.source
    return {
        "recipe": study.key,
        "label": study.label,
        **asdict(source.recipe),
        "synthetic": source.synthetic,
        "seeds": list(source.seeds),
        "hardware": list(source.hardware),
        "software": list(source.software),
        "commits": list(source.commits),
        "finished": list(source.dates),
        "train_minutes": round(source.train_minutes, 2),
    }


def _configurations(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    for _, row in summarise(frame).iterrows():
        own = frame[(frame["variant"] == row["variant"]) & (frame["sparsity"] == row["sparsity"])]
        yield {
            "method": row["method"],
            "variant": row["variant"],
            "sparsity": row["sparsity"],
            "seeds": sorted(map(int, own["seed"])),
            "metrics": {name: {"mean": _or_none(row[name]), "ci95": _or_none(row[f"{name}_ci"])} for name in METRICS},
        }


def _run(frame: pd.DataFrame, row: int, run: Finished) -> dict[str, Any]:
    record = run.result
    first = {name: record[name] for name in FIRST_KEYS if name != "method"}
    own = {
        "variant": run.spec.variant,
        "recipe": run.spec.recipe.key,
        "accuracy_change": _or_none(frame["accuracy_change"].iloc[row]),
        "size_ratio": _or_none(frame["size_ratio"].iloc[row]),
    }
    return {"method": run.spec.method, **first, **own, **{k: v for k, v in record.items() if k not in FIRST_KEYS}}


def _recipe(runs: Sequence[Finished]) -> Recipe:
    """The recipe of the pruned runs, since a dense run's own says nothing about fine-tuning."""
    return next((run.spec.recipe for run in runs if run.spec.method != DENSE), runs[0].spec.recipe)


def _finished(folder: RunFolder) -> float | None:
    """When the run ended, as its journal says: a copy of the folder has other file times."""
    for event in reversed(folder.events()):
        noted = finite(event.get("t"))
        if event["type"] == "done" and noted is not None and 0 < noted < MAX_TIME:
            return noted
    return None


def _layers(study: Study) -> pd.DataFrame:
    rows = [
        {"run_id": run.spec.run_id, "layer": layer["name"], "density": density}
        for run in study.runs
        for layer in _objects(run.result.get("layers"))
        if isinstance(layer.get("name"), str) and (density := finite(layer.get("density"))) is not None
    ]
    return pd.DataFrame(rows, columns=["run_id", "layer", "density"])


def _dead_layers(runs: Sequence[Finished]) -> dict[RunSpec, list[str]]:
    dead: dict[RunSpec, list[str]] = {}
    for run in runs:
        noted = run.result.get("dead_layers")
        if isinstance(noted, list) and noted:
            dead[run.spec] = [str(name) for name in noted]
    return dead


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _write(path: Path, content: bytes) -> Path:
    with atomic_write(path) as file:
        file.write(content)
    return path
