"""Runs: what goes on, how far it is, how it learns."""

from ui.runs.page import page
from ui.shared.services import show

show(page)
