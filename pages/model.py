"""Model: one run, and everything about its network."""

from ui.model.page import page
from ui.shared.services import show

show(page)
