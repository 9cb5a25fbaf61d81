"""axe-core in a page: what keeps people with a screen reader, a keyboard or weak eyes from using it."""

from importlib.resources import files

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
GRAVE = ("serious", "critical")


def grave_findings(page, left_out):
    """What axe finds serious or critical: one line for each, apart from ``left_out``, pairs of a rule and a selector."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = page.evaluate(
        """async ([tags, rules]) => (await axe.run(document, {runOnly: {type: 'tag', values: tags}, rules})).violations""",
        [RULES, {}],
    )
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}: {node['target']} {node['html'][:160]}"
        for violation in found
        for node in violation["nodes"]
        if violation["impact"] in GRAVE and not any(
            rule == violation["id"] and page.evaluate(MATCHES, [node["target"][-1], selector]) for rule, selector in left_out
        )
    ]


MATCHES = "([target, selector]) => { const found = document.querySelector(target); return !!found && found.matches(selector) }"
