"""axe-core on a page: what keeps people with a screen reader, a keyboard or weak eyes from using it."""

from importlib.resources import files

GRAVE = ("serious", "critical")
_RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations"""
_MATCHES = "([target, selector]) => document.querySelector(target)?.closest(selector) != null"


def grave_findings(page, left_out):
    """What axe finds serious or critical, one line each; but for ``left_out``, pairs of a rule and a selector of those
    elements, they or one around them, for which it does not count."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    return [
        f"{found['id']} ({found['impact']}): {found['help']}: {node['html'][:200]}"
        for found in page.evaluate(_RUN)
        if found["impact"] in GRAVE
        for node in found["nodes"]
        if not any(
            rule == found["id"] and page.evaluate(_MATCHES, [node["target"][-1], selector])
            for rule, selector in left_out
        )
    ]
