"""Launch: choose methods, sparsities and seeds, see what that means, and start it in the background."""

from ui.launch.page import page
from ui.shared.navigation import render_page

render_page(page)
