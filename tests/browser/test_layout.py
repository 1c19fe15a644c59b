"""How the demo looks: on a desktop and on a phone, light and dark; and the figures of the tab "Explore"."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from visitors import DESKTOP, PHONE, Visit, set_number, settle, shoot


def test_explore(visit: Visit, screenshots: Path) -> None:
    page = visit(tab="Explore")
    expect(page.locator("#explore-accuracy svg")).to_have_count(3)
    expect(page.locator("#energy-figure .sq-verdict")).to_have_text(re.compile("From 46 qubits on"))
    page.locator("#energy-times input").click()
    page.get_by_role("option", name="130 and 970").click()
    expect(page.locator("#energy-figure .sq-verdict")).to_have_text(re.compile("From 47 qubits on"))
    set_number(page, "energy-shots", 100)
    expect(page.locator("#energy-figure .sq-verdict")).to_have_text(re.compile("From 41 qubits on"))
    expect(page.locator("#count-figure .sq-verdict")).to_have_text("353 trained parameters")
    set_number(page, "count-qubits", 14)
    expect(page.locator("#count-figure .sq-verdict")).to_have_text("493 trained parameters")
    shoot(page, screenshots, "explore-desktop-light")


READY = {
    "Classify": "#main-circuit svg",
    "Train your own": "#train-table [role=gridcell]",
    "Explore": "#count-figure .sq-bars",
    "About": "#about-page h3",
}
"""What is on the screen once a tab is."""
UNDESCRIBED = """Array.from(document.querySelectorAll('.sq-card svg, .sq-figure svg, .sq-scroll svg, img')).filter(
    e => e.checkVisibility() && !(e.getAttribute('aria-label') || e.getAttribute('alt')
        || e.closest('[aria-hidden=true]'))).length"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_tab_fits_and_describes_its_pictures(
    visit: Visit, screenshots: Path, size: tuple[int, int], theme: str
) -> None:
    page = visit(size=size, theme=theme)
    name = "phone" if size == PHONE else "desktop"
    assert ("dark" in (page.locator("body").get_attribute("class") or "")) == (theme == "dark")
    lefts = set()
    for tab, ready in READY.items():
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(ready).first).to_be_visible()
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], tab
        assert page.evaluate(UNDESCRIBED) == 0, tab
        lefts.add(box_of(page, ".sq-header")[0])
        shoot(page, screenshots, f"{tab.split()[0].lower()}-{name}-{theme}")
    assert len(lefts) == 1  # the page does not jump from tab to tab
    check_one_screen(page, size[1])


def check_one_screen(page: Page, height: int) -> None:
    """One screen says what is quantum and what is not: in short above the first answer, in full in "About"."""
    page.get_by_role("tab", name="Classify").click()
    steps = page.locator("#classify-intro .sq-pipeline li")
    expect(steps).to_have_count(4)
    expect(page.locator("#classify-intro .sq-quantum")).to_have_count(2)
    expect(steps.nth(0)).to_contain_text("classical")
    expect(steps.nth(2)).to_contain_text("simulated quantum")
    assert box_of(page, "#classify-intro")[1] < height / 2
    page.get_by_role("tab", name="About").click()
    for words in ("No quantum computer is involved", "Quantum (simulated)", "Not quantum", "There is none"):
        expect(page.locator("#about-page")).to_contain_text(words)
    settle(page)
    assert box_of(page, "#about-page")[1] <= height


def box_of(page: Page, selector: str) -> tuple[float, float]:
    """Left and bottom of an element."""
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["x"], box["y"] + box["height"]
