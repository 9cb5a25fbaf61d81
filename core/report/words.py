"""What a language has to bring along for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.i18n import t, use_language
from core.labels import measured_name, variant_name
from core.report.tables import escape_markdown
from core.spec.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Words:
    """``text``: every sentence by its name, with ``{fields}`` for what is computed. ``headings``: of the efficiency table,
    by the English ones. ``methods``: a summary of each method of the registry. ``translate``: for names, as in the app."""

    text: Mapping[str, str]
    headings: Mapping[str, str]
    methods: Mapping[str, str]
    language: str
    variants: Mapping[str, RunSpec] = field(default_factory=dict)

    def variant(self, variant: str) -> str:
        """A method with its settings, as Markdown that shows it letter by letter."""
        with use_language(self.language):
            spec = self.variants.get(variant)
            return escape_markdown(variant_name(spec.method, spec.settings) if spec else t(variant))

    def run(self, variant: str, sparsity: float, seed: int) -> str:
        """The same of a run."""
        with use_language(self.language):
            spec = self.variants[variant]
            row = {"method": spec.method, "settings": spec.settings, "sparsity": sparsity, "seed": seed}
            return escape_markdown(measured_name(row))
