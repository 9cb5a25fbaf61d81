"""Report: what a study found, in words, figures and tables, to read here and to download."""

from ui.report.page import page
from ui.shared.navigation import render_page

render_page(page)
