"""Every page over a home of finished runs: addresses, languages, narrow and dark, by keyboard and to a screen reader."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.axe import grave_findings
from tests.e2e.steps import choose, fill, open_page, settle, slide, switch

pytestmark = pytest.mark.e2e

PAGES = ("", "launch", "runs", "model", "report", "report?part=figures", "report?part=tables")
HEADINGS = {"Launch": "Launch a study", "Runs": "Runs", "Model": "Model", "Report": "Pruning report"}
KOREAN_PAGES = {"시작": "연구 시작", "실행": "실행", "모델": "모델", "보고서": "보고서", "비교": "가지치기 방법 비교"}
# What Streamlit draws and no setting changes, each with the reason.
LEFT_OUT = [
    # White letters on the primary colour, which is also that of letters on the page: on a dark page no colour has the
    # contrast of 4.5 with both.
    ("color-contrast", "[data-testid='stBaseButton-primary']"),
    ("color-contrast", "[data-testid='stMultiSelect'] span[title]"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_grave(gallery, visit, scheme):
    page = visit(color_scheme=scheme)
    found = []
    for address in PAGES:
        open_page(page, f"{gallery.url}/{address}")
        found += [f"/{address}: {finding}" for finding in grave_findings(page, LEFT_OUT)]
    assert not found, "\n".join(found)


def test_a_narrow_window_scrolls_only_downwards(gallery, visit):
    page = visit(width=400)
    wide = []
    for address in PAGES:
        open_page(page, f"{gallery.url}/{address}")
        inner = "main => main.scrollWidth - main.clientWidth"
        if page.get_by_test_id("stMain").evaluate(inner) > 0:
            wide.append(address)
    assert not wide


def test_what_is_chosen_can_be_shared_and_is_kept(gallery, visit):
    page = visit()
    open_page(page, gallery.url, "Compare")
    study = page.get_by_role("combobox", name=re.compile("Study"))
    study.click()
    page.get_by_role("option").filter(has_text="width 12").click()
    settle(page)
    slide(page, 3)
    page.wait_for_url(re.compile("sparsity=0.87"))
    assert "study=" in page.url
    for window in (page, visit()):
        open_page(window, page.url, "Compare")
        expect(window.get_by_role("slider").first).to_have_value("0.87")
        expect(window.get_by_text("width 12").first).to_be_visible()
    switch(page, "Report", "Report")
    expect(page.get_by_text("width 12").first).to_be_visible()  # the same study
    choose(page, "Tables", "Tables")
    assert "part=tables" in page.url
    page.go_back()
    expect(page.get_by_role("heading", name="Pruning report")).to_be_visible()
    switch(page, "Compare", "Compare pruning methods")
    expect(page.get_by_role("slider").first).to_have_value("0.87")
    page.wait_for_url(re.compile(r"sparsity=0.87"))


def test_a_link_that_names_what_is_not_here_says_so(gallery, visit):
    page = visit()
    open_page(page, f"{gallery.url}/?study=nothing&sparsity=7&lang=tlh", "Compare")
    expect(page.get_by_text("The link says")).to_have_count(3)
    open_page(page, f"{gallery.url}/model?run=..%2F..%2Fetc%2Fpasswd", "Model")
    expect(page.get_by_text("The link says run")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)


def test_the_language_is_chosen_once_and_shared(gallery, visit):
    page = visit()
    open_page(page, gallery.url, "Compare")
    choose(page, "한국어", "한국어")
    expect(page.get_by_role("heading", name="가지치기 방법 비교")).to_be_visible()
    assert "lang=ko" in page.url
    for menu, heading in KOREAN_PAGES.items():
        switch(page, menu, heading)
        page.wait_for_url(re.compile("lang=ko"))
    page.reload()
    expect(page.get_by_role("heading", name="가지치기 방법 비교")).to_be_visible()
    other = visit()
    open_page(other, page.url, "가지치기 방법 비교")
    choose(other, "English", "English")
    expect(other.get_by_role("heading", name="Compare pruning methods")).to_be_visible()
    korean = visit(locale="ko-KR")
    open_page(korean, gallery.url, "가지치기 방법 비교")  # what the browser is set to, unless somebody chose


def test_the_question_is_answered_with_a_run_to_open(gallery, visit):
    page = visit()
    open_page(page, gallery.url, "Compare")
    expect(page.get_by_role("heading", name="Which network to take?")).to_be_visible()
    fill(page, "spinbutton", "with a test accuracy (%) of at least", "99.9")
    expect(page.get_by_text("No run here has 99.9 % or more.")).to_be_visible()
    fill(page, "spinbutton", "with a test accuracy (%) of at least", "60")
    choose(page, "The smallest network", "The fastest in a large batch")
    slide(page, 3)
    page.wait_for_url(re.compile("goal=batch.*sparsity=0.87"))
    page.get_by_role("link", name="Open this run and download it").click()
    expect(page.get_by_role("heading", name="Model", exact=True)).to_be_visible()
    page.wait_for_url(re.compile("run=structured-0.9"))
    page.get_by_text("Accuracy", exact=True).first.wait_for()
    page.go_back()  # to all that was chosen
    expect(page.get_by_role("heading", name="Compare pruning methods")).to_be_visible()
    expect(page.get_by_role("slider").first).to_have_value("0.87")
    expect(page.get_by_role("radio", name="The fastest in a large batch")).to_be_checked()


def test_what_is_typed_is_what_is_taken(gallery, visit):
    page = visit()
    open_page(page, f"{gallery.url}/launch", "Launch a study")
    fill(page, "textbox", "Seeds", "1")  # and not 123
    fill(page, "textbox", "Sparsities", "0.9")  # and not 0.95
    expect(page.get_by_text("1 dense run and 3 pruned runs")).to_be_visible()
    page.wait_for_url(re.compile(r"(?=.*[?&]seeds=1(&|$))(?=.*[?&]sparsities=0.9(&|$))"))
    open_page(page, f"{gallery.url}/runs", "Runs")
    fill(page, "textbox", "Find", "seed 2")
    expect(page.get_by_text("8 of 17 runs")).to_be_visible()


@pytest.mark.parametrize("name", list(HEADINGS))
def test_the_way_back_leads_out_of_every_page(gallery, visit, name):
    page = visit()
    open_page(page, f"{gallery.url}/?sparsity=0.87", "Compare")
    switch(page, name, HEADINGS[name])
    settle(page)
    for _ in range(
        4
    ):  # what a page says in its address by itself is a step, and the menu's emptying of the address another
        page.go_back()
        page.wait_for_timeout(1_500)
        if "sparsity=0.87" in page.url:
            break
    expect(page.get_by_role("heading", name="Compare pruning methods")).to_be_visible()
    expect(page.get_by_role("slider").first).to_have_value("0.87")


def test_the_keyboard_reaches_what_matters_and_the_focus_is_seen(gallery, visit):
    page = visit()
    open_page(page, gallery.url, "Compare")
    reached, unseen = set(), set()
    for _ in range(30):
        page.keyboard.press("Tab")
        name, seen = page.evaluate(FOCUS)
        reached.add(name)
        if not seen:
            unseen.add(name)
    assert {"Launch", "English", "Magnitude", "Sparsity"} <= reached
    assert not unseen


# The name of what has the focus, and whether it looks different for having it.
FOCUS = """async () => {
    const found = document.activeElement;
    const around = [found, found.parentElement, found.parentElement.parentElement, ...found.parentElement.children];
    const look = async () => {
        await new Promise(done => setTimeout(done, 250));
        return JSON.stringify(around.map(one => {
            const style = getComputedStyle(one);
            return [style.outline, style.boxShadow, style.backgroundColor, style.borderColor, style.color];
        }));
    };
    const focused = await look();
    found.blur();
    const without = await look();
    found.focus();
    const label = found.getAttribute('aria-label') || found.textContent.trim().replace(/^[a-z_]+(?=[A-Z가-힣])/, '');
    const scrolls = !found.matches('a, button, input, textarea, [role]');  // the page itself, which has no look to change
    return [label, scrolls || focused !== without];
}"""
