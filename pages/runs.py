"""Runs: what goes on, how far it is, how it learns."""

from ui.runs.page import page
from ui.shared.navigation import render_page

render_page(page)
