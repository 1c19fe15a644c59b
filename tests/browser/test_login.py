"""A Space with a login: sign in, train, and push without typing a token."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from visitors import Visit, set_number, shoot, toast

from demo_fixtures import Demo, start
from hub_access import WRITE_TOKEN


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo as on a Space; `visit` opens it."""
    folder, addresses = start(tmp_path_factory, "space_process.py")
    return Demo(addresses["demo"], addresses["hub"], folder, 0, is_space=True)


def test_sign_in_train_and_push(visit: Visit, demo: Demo, screenshots: Path) -> None:
    page = visit(tab="Train your own")
    login = page.locator("#push-login")
    expect(login).to_contain_text("Sign in with Hugging Face")
    train_and_push(page)
    expect(toast(page)).to_contain_text("Pushing needs a token with write access")
    shoot(page, screenshots, "space-signed-out")
    follow_login(page)
    expect(login).to_contain_text("Logout (tester)")
    train_and_push(page)
    expect(page.locator("#push-outcome a")).to_contain_text("tester/by-login")
    request = urllib.request.Request(
        f"{demo.hub}/api/models/tester/by-login", headers={"Authorization": f"Bearer {WRITE_TOKEN}"}
    )
    found = json.load(urllib.request.urlopen(request))
    assert found["private"]
    assert {"quantum_head.safetensors", "README.md"} <= {entry["rfilename"] for entry in found["siblings"]}
    # Pushed with the login's token, which is neither logged nor in the page.
    assert WRITE_TOKEN not in demo.log()
    assert WRITE_TOKEN not in page.content()
    follow_login(page)
    expect(login).to_contain_text("Sign in with Hugging Face")


def train_and_push(page: Page) -> None:
    set_number(page, "train-epochs", 5)
    page.locator("#train-start").click()
    expect(page.locator("#own-answer .sq-quote")).not_to_be_empty()
    page.locator("#push-repository input").fill("tester/by-login")
    page.locator("#push-start").click()


def follow_login(page: Page) -> None:
    """Press the button, which loads the page anew."""
    with page.expect_navigation():
        page.locator("#push-login").click()
    page.get_by_role("tab", name="Train your own").click()
