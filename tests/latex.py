"""LaTeX around what is to be compiled."""

# A small LaTeX has no booktabs, whose rules are then plain lines: all the rest is compiled all the same.
_PREAMBLE = r"""\documentclass{article}
\IfFileExists{booktabs.sty}{\usepackage{booktabs}}{\let\toprule\hline\let\midrule\hline\let\bottomrule\hline}
"""


def latex_page(body: str) -> str:
    """A document of ``body`` that loads what a table of ours needs."""
    return f"{_PREAMBLE}\\begin{{document}}\n{body}\n\\end{{document}}\n"
