"""What a person does in the app, step by step, with the patience that a busy machine needs."""

from playwright.sync_api import expect


def settle(page):
    """Until the app has taken in what was done last."""
    page.wait_for_timeout(300)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def choose(page, group, *names):
    """Click the segments or pills called ``names``."""
    for name in names:
        page.get_by_test_id("stButtonGroup").filter(has_text=group).get_by_text(name, exact=True).click()
        settle(page)


def select(page, label, option):
    """The ``option`` of the select box called ``label``."""
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


def fill(page, role, name, value):
    field = page.get_by_role(role, name=name, exact=True)
    field.fill(value)
    field.press("Enter")
    settle(page)


def slide(page, steps):
    """Move the slider by ``steps`` to the left."""
    slider = page.get_by_role("slider").first
    slider.focus()
    for _ in range(steps):
        slider.press("ArrowLeft")
    settle(page)


def wait_until(page, condition, seconds=150):
    for _ in range(seconds * 4):
        if condition():
            return
        page.wait_for_timeout(250)
    raise AssertionError("waited in vain")


def open_page(page, address, title=None):
    """Go to ``address`` and wait until all is drawn."""
    page.goto(address)
    heading = page.get_by_role("heading", level=1)
    expect(heading.filter(has_text=title).first if title else heading.first).to_be_visible()
    settle(page)
    page.wait_for_timeout(500)  # charts are drawn after the script has ended


def switch(page, title, heading):
    """To another page, by the menu."""
    page.get_by_test_id("stTopNavLink").filter(has_text=title).click()
    expect(page.get_by_role("heading", name=heading, exact=True).first).to_be_visible()
    settle(page)


def download(page, name, folder):
    """The file that the button called ``name`` gives."""
    page.wait_for_timeout(1_000)  # what is drawn just now takes no click
    with page.expect_download() as found:
        page.get_by_role("button", name=name, exact=True).click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path
