"""Chromium for the browser tests: Debian's, driven by playwright. Screenshots stay in SETFIT_QUANTUM_SCREENSHOTS."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from visitors import DESKTOP, Visit

from demo_fixtures import Demo, demo

__all__ = ["demo"]  # the fixture

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30_000
"""Milliseconds that anything may take, also on a busy machine."""
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("The browser tests need Chromium; on Debian: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser, demo: Demo) -> Iterator[Visit]:
    """Opens the demo for a new visitor: `visit(size=PHONE, theme="dark")`. No errors may appear on the console."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(size: tuple[int, int] = DESKTOP, theme: str = "light", tab: str | None = None) -> Page:
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        # Nothing is fetched from elsewhere: a name that nobody resolves takes seconds to fail.
        context.route("https://**", lambda route: route.abort())
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: errors.append(f"{request.url}: {request.failure}"))
        page.goto(f"{demo.url}?__theme={theme}")
        page.locator("#main-answer .sq-quote").wait_for()
        if tab is not None:
            page.get_by_role("tab", name=tab).click()
        return page

    yield open_page
    # A visitor who leaves cuts what is still being sent.
    found = [error for error in errors if "ERR_ABORTED" not in error]
    if demo.is_space:
        found = [error for error in found if not error.startswith("https://")]
    for context in contexts:
        context.close()
    assert not found, found


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the screenshots."""
    named = os.environ.get("SETFIT_QUANTUM_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
