"""What a visitor does again and again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

DESKTOP, PHONE = (1280, 900), (390, 844)

Visit = Callable[..., Page]


def measure(page: Page, text: str, prefix: str = "main") -> None:
    """Write a text, press the button, and wait for its answer."""
    page.locator(f"#{prefix}-text textarea").fill(text)
    page.locator(f"#{prefix}-run").click()
    expect(page.locator(f"#{prefix}-answer .sq-quote")).to_have_text(text)
    settle(page)


def set_number(page: Page, element: str, value: float) -> None:
    """Type a number into a slider's box and leave it."""
    box = page.locator(f"#{element} input[type=number]")
    box.fill(str(value))
    box.press("Tab")


def settle(page: Page) -> None:
    """Wait until nothing is in progress, and until what has changed is on the screen."""
    expect(page.locator(".sq-card.pending, .generating, .progress-text")).to_have_count(0)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def shoot(page: Page, folder: Path, name: str) -> None:
    for close in page.locator(".toast-close").all():
        close.click()
    settle(page)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def spread(page: Page) -> float:
    """Width of the range in which nine of ten re-measurements lie, from the picture's own description."""
    words = page.locator("#main-cloud svg").get_attribute("aria-label") or ""
    low, high = (float(number) for number in re.findall(r"(?:< |> )?([\d.]+) %", words)[:2])
    return high - low


def toast(page: Page) -> Locator:
    return page.locator(".toast-body").last
