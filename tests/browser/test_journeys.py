"""What visitors do, in a real browser against the running demo."""

from __future__ import annotations

import csv
import json
import re
import time
import urllib.request
import zipfile
from pathlib import Path

from gradio_client import Client
from playwright.sync_api import Page, expect
from visitors import PHONE, Visit, measure, set_number, settle, shoot, spread, toast

from demo_fixtures import Demo
from hub_access import WRITE_TOKEN
from setfit_quantum import QuantumHead


def test_a_sentence_and_what_each_stage_saw(visit: Visit, screenshots: Path) -> None:
    page = visit()
    # The page opens with an answer.
    expect(page.locator("#main-answer .sq-quote")).to_have_text("My kids want to go back tomorrow.")
    measure(page, "A joy from start to finish!")
    heads = page.locator("#main-answer .sq-head")
    expect(heads).to_have_count(2)
    expect(heads.nth(0).locator("h3")).to_have_text("Quantum classifier")
    expect(heads.nth(0).locator(".sq-verdict")).to_have_text("positive")
    expect(heads.nth(1).locator("h3")).to_have_text("Logistic regression")
    expect(heads.nth(1).locator(".sq-verdict")).to_have_text("positive")
    expect(page.locator("#main-cloud rect.sq-brick")).to_have_count(200)
    expect(page.locator("#main-stages svg.sq-embedding rect")).to_have_count(384)
    expect(page.locator("#main-stages tbody tr")).to_have_count(10)
    expect(page.locator("#main-stages tfoot")).to_contain_text("The votes add up to")
    expect(page.locator("#main-circuit .sq-gate")).to_have_count(60)
    expect(page.locator("#main-circuit svg")).to_have_attribute(
        "aria-label", re.compile("150 RY rotations, 60 controlled NOT gates")
    )
    shoot(page, screenshots, "classify-desktop-light")


def test_noise_scatters_the_answer(visit: Visit) -> None:
    page = visit()
    set_number(page, "main-level", 0)
    set_number(page, "main-shots", 5000)
    measure(page, "It broke after two days.")
    expect(page.locator("#main-answer")).to_contain_text("5,000 shots, no gate or readout errors")
    quiet = spread(page)
    set_number(page, "main-shots", 20)
    set_number(page, "main-level", 3)
    measure(page, "The tent leaked.")
    expect(page.locator("#main-answer")).to_contain_text("20 shots, 3 times the errors of IonQ Forte Enterprise")
    page.locator("#main-device input").click()
    page.get_by_role("option", name="IonQ Forte", exact=True).click()
    expect(page.locator("#main-answer .sq-head .sq-sub").first).to_have_text(
        "one measurement: 20 shots, 3 times the errors of IonQ Forte"
    )
    measure(page, "It broke after two days.")
    assert spread(page) > 3 * quiet


def test_by_keyboard_alone(visit: Visit) -> None:
    page = visit()
    box = page.locator("#main-text textarea")
    box.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("Never again.")
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#main-answer .sq-quote")).to_have_text("Never again.")
    # The next stop is the first example.
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main-answer .sq-quote")).to_have_text("It broke after two days.")
    page.get_by_role("tab", name="Classify").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#train-start")).to_be_visible()


def test_several_lines_and_files(visit: Visit, screenshots: Path, tmp_path: Path) -> None:
    page = visit()
    page.locator("#main-text textarea").fill("A joy from start to finish!\nIt broke after two days.\nNever again.")
    page.locator("#main-run").click()
    expect(page.locator("#main-table")).to_contain_text("Never again.")
    page.locator("#main-chosen input").click()
    page.get_by_role("option", name="2. It broke").click()
    expect(page.locator("#main-answer .sq-quote")).to_have_text("It broke after two days.")
    shoot(page, screenshots, "several-desktop-light")
    table = tmp_path / "reviews.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["text", "n"], ["Lovely, all of it.", 1], ["Rude, slow, cold.", 2], [STRANGE[0], 3]]
        )
    page.get_by_text("Many sentences from a file").click()
    page.locator("#main-file input[type=file]").set_input_files(table)
    expect(page.locator("#main-table")).to_contain_text("Rude, slow, cold.")
    expect(page.locator("#main-table")).to_contain_text(STRANGE[0])
    expect(page.locator("#main-answer .sq-quote")).to_have_text("Lovely, all of it.")
    assert page.evaluate("window.broken") is None
    measure(page, "One line hides the table.")
    expect(page.locator("#main-table")).to_be_hidden()


STRANGE = [
    '<img src=x onerror="window.broken=1"><b>bold</b>',
    "${window.broken=1} {{value}} #{1} `x`",
    "هذا المطعم رائع وسأعود إليه بالتأكيد",
    "👍🏽🎉 so good 👨‍👩‍👧",
]


def test_strange_texts_appear_as_they_are(visit: Visit) -> None:
    page = visit()
    for text in STRANGE:
        measure(page, text)
    assert page.evaluate("window.broken") is None
    measure(page, STRANGE[0])
    expect(page.locator("#main-answer .sq-quote b")).to_have_count(0)


def test_refusals_are_shown_and_the_page_lives_on(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    page.locator("#main-text textarea").fill("   ")
    page.locator("#main-run").click()
    expect(toast(page)).to_contain_text("the text is empty")
    page.locator("#main-text textarea").fill("<b>" * 1000)
    page.locator("#main-run").click()
    expect(toast(page)).to_contain_text("At most 2,000 characters per sentence, but one has 3,000")
    measure(page, "Still here.")
    page.get_by_role("tab", name="Train your own").click()
    broken = tmp_path / "broken.csv"
    broken.write_text('text,label\n"<b>never closed,x\n')
    page.get_by_text("Examples from a file").click()
    page.locator("#train-file input[type=file]").set_input_files(broken)
    expect(toast(page)).to_contain_text("'broken.csv' is malformed")
    expect(page.locator("#train-start")).to_be_enabled()
    # What stands on the page stays.
    expect(page.locator("#train-table")).to_contain_text("billing")
    settle(page)
    expect(page.get_by_text("Error", exact=True)).to_have_count(0)


def test_train_try_download_and_push(visit: Visit, demo: Demo, screenshots: Path, tmp_path: Path) -> None:
    page = visit(tab="Train your own")
    expect(page.locator("#train-table")).to_contain_text("billing")
    expect(page.locator("#train-done")).to_be_hidden()
    page.locator("#train-start").click()
    status = page.locator("#train-status")
    expect(status).to_contain_text("Finished after 100 epochs")
    expect(status).to_contain_text("On 8 held-out examples the quantum classifier is right in")
    expect(page.locator("#train-curves polyline.sq-line")).to_have_count(4)
    # The model is asked about a held-out sentence at once, and offers others.
    expect(page.locator("#own-answer .sq-quote")).not_to_be_empty()
    chips = page.locator("#train-done .sq-chip")
    expect(chips).to_have_count(4)
    offered = chips.nth(3).inner_text()
    chips.nth(3).click()
    expect(page.locator("#own-answer .sq-quote")).to_have_text(offered)
    measure(page, "I was charged twice this month.", prefix="own")
    labels = page.locator("#own-answer .sq-head").first.locator(".sq-name")
    expect(labels).to_have_text(["account", "billing", "delivery", "returns"])
    expect(page.locator("#own-stages tbody tr")).to_have_count(8)
    expect(page.locator("#own-answer .sq-verdict").first).not_to_be_empty()
    page.locator("#train-zip").click()
    with page.expect_download() as download:
        page.locator("#train-archive a[download]").first.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(tmp_path)
    assert QuantumHead.from_pretrained(tmp_path / "quantum-head").out_features == 4
    page.locator("#push-repository input").fill("tester/from-the-demo")
    page.locator("#push-start").click()
    expect(toast(page)).to_contain_text("Pushing needs a token")
    expect(page.get_by_text("Error", exact=True)).to_have_count(0)
    page.locator("#push-token input").fill(WRITE_TOKEN)
    page.locator("#push-start").click()
    expect(page.locator("#push-outcome a")).to_contain_text("tester/from-the-demo", timeout=90_000)
    expect(page.locator("#push-token input")).to_have_value("")
    shoot(page, screenshots, "trained-desktop-light")
    files = repository_files(demo, "tester/from-the-demo")
    assert {"quantum_head.safetensors", "config_setfit.json", "README.md", "modules.json"} <= files
    # Nothing that was typed is kept: neither in the log nor in the browser.
    assert WRITE_TOKEN not in demo.log()
    kept = page.evaluate("JSON.stringify(Object.assign({}, localStorage, sessionStorage)) + document.cookie")
    assert WRITE_TOKEN not in kept
    # Another visitor has neither the model nor the part of the page that asks it.
    other = visit(tab="Train your own")
    expect(other.locator("#train-done")).to_be_hidden()


def repository_files(demo: Demo, name: str) -> set[str]:
    request = urllib.request.Request(
        f"{demo.hub}/api/models/{name}", headers={"Authorization": f"Bearer {WRITE_TOKEN}"}
    )
    with urllib.request.urlopen(request) as response:
        return {file["rfilename"] for file in json.load(response)["siblings"]}


def test_own_examples_and_stopping(visit: Visit, screenshots: Path, tmp_path: Path) -> None:
    page = visit(size=PHONE, theme="dark", tab="Train your own")
    table = tmp_path / "own.csv"
    rows = [
        [f"{word} {n}", label]
        for n in range(100)  # enough for a training that can be stopped
        for word, label in (("<img src=x onerror='window.broken=1'> cat", "<i>cats</i>"), ("dog", "dogs"))
    ]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["text", "label"], *rows])
    page.get_by_text("Examples from a file").click()
    page.locator("#train-file input[type=file]").set_input_files(table)
    expect(page.locator("#train-status")).to_contain_text("200 examples of 2 labels: <i>cats</i>, dogs.")
    set_number(page, "train-qubits", 10)
    set_number(page, "train-epochs", 400)
    page.locator("#train-start").click()
    expect(page.locator("#train-curves polyline.sq-line").first).to_be_visible()
    expect(page.locator("#train-stop")).to_be_enabled()
    page.locator("#train-stop").click()
    expect(page.locator("#train-status")).to_contain_text("Stopped by you after")
    expect(page.locator("#train-done .sq-chip").filter(has_text="<img src=x")).not_to_have_count(0)
    # What was learned until then can be asked.
    measure(page, "dog 99", prefix="own")
    expect(page.locator("#own-answer .sq-name").first).to_have_text("<i>cats</i>")
    expect(page.locator("#train-start")).to_be_enabled()
    assert page.evaluate("window.broken") is None
    shoot(page, screenshots, "trained-phone-dark")


def test_a_table_that_cannot_be_learned_is_refused_and_mended(visit: Visit) -> None:
    page = visit(tab="Train your own")
    write_label(page, "zebra")
    page.locator("#train-start").click()
    expect(toast(page)).to_contain_text("Every label needs at least two examples, but 'zebra' has one.")
    expect(page.locator("#train-status")).to_contain_text("Nothing was trained.")
    expect(page.locator("#train-start")).to_be_enabled()
    expect(page.locator("#train-stop")).to_be_disabled()
    write_label(page, "billing")
    set_number(page, "train-epochs", 5)
    page.locator("#train-start").click()
    expect(page.locator("#train-status")).to_contain_text("Finished after 5 epochs")


def write_label(page: Page, label: str) -> None:
    """Write the label of the table's first example."""
    cell = page.locator("#train-table").get_by_role("gridcell").nth(1)
    cell.dblclick()
    page.keyboard.press("Control+A")
    page.keyboard.type(label)
    page.keyboard.press("Enter")
    expect(cell).to_contain_text(label)


def test_who_must_wait_for_a_training_is_told(visit: Visit, demo: Demo) -> None:
    page = visit(tab="Train your own")
    examples = [[f"{word} {n}", word] for n in range(100) for word in ("cat", "dog")]
    jobs = [
        Client(demo.url, verbose=False, httpx_kwargs={"timeout": 60}).submit(examples, 10, 2, 400, api_name="/train")
        for _ in range(2)
    ]
    while not all(job.outputs() for job in jobs):  # both places are taken
        time.sleep(0.01)
    status = page.locator("#train-status")
    page.locator("#train-start").click()
    expect(status).to_contain_text("If others are training, yours comes next.")
    expect(page.locator("#train-start")).to_be_disabled()
    for job in jobs:
        job.cancel()
    expect(status).to_contain_text("Finished after 100 epochs")
    expect(page.locator("#train-start")).to_be_enabled()
