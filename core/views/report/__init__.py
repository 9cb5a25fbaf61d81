"""The report: Markdown text in English or Korean, in which every number comes from the results."""

from core.views.report.text import LANGUAGES, build_report

__all__ = ["LANGUAGES", "build_report"]
