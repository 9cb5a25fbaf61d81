"""Compare: what each method keeps, costs and saves at the sparsity on the slider, with every measured number below."""

from ui.compare.page import page
from ui.shared.navigation import render_page

render_page(page)
