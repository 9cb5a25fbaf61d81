"""Model: one run, and everything about its network."""

from ui.model.page import page
from ui.shared.navigation import render_page

render_page(page)
