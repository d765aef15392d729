"""What people do with finished runs, in a real Chromium: compare, try, take, export."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright import sync_api

from tests.ui.chromium import (
    SWITCHES,
    TIMEOUT,
    chromium,
    picture,
    processes_of,
    serving,
    until,
    visiting,
)
from tests.ui.conftest import REPOSITORY
from trainers.runs import list_runs, load_config

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real runs on digits."""
    folder = tmp_path_factory.mktemp("runs")
    for optimizer in ("vogn", "adamw"):
        subprocess.run(
            [
                sys.executable, "-m", "trainers", "run", "--dataset", "digits",
                "--model", "mlp", "--optimizer", optimizer, "--epochs", "8",
                "--run-dir", str(folder / optimizer),
            ],
            cwd=REPOSITORY, check=True, capture_output=True,
        )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def address(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("data")
    with serving(runs, slots=1, environment={"VOGN_CACHE": str(data)}) as server:
        yield server.address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = chromium()
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with visiting(browser, address) as opened:
        yield opened


def test_a_comparison_is_its_address(browser, address):
    with visiting(browser, address) as page:
        page.goto("/compare?runs=vogn,adamw")
        page.get_by_text("Difference to VOGN").wait_for()
        page.get_by_role("tab", name="Reliability").click()
        page.locator("[aria-label*='eliability'] .main-svg").first.wait_for()
        page.get_by_role("tab", name="Settings").click()
        page.get_by_text("Hide identical").wait_for()
        found = parse_qs(urlsplit(page.url).query)
        assert found["runs"] == ["vogn,adamw"]
        shared = page.url
    with visiting(browser, address) as page:  # somebody else opens the link
        page.goto(shared)
        page.get_by_text("Hide identical").wait_for()
        page.get_by_role("tab", name="Settings", selected=True).wait_for()
        page.get_by_role("tab", name="Numbers").click()
        page.get_by_text("What it cost").wait_for()
        picture(page, "compare")


def drawn(page: Any) -> None:
    """Draw a one on the sheet."""
    sheet = page.locator("canvas").first
    sheet.wait_for()
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"]
    page.mouse.move(x, y + 0.15 * box["height"])
    page.mouse.down()
    page.mouse.move(x, y + 0.85 * box["height"], steps=8)
    page.mouse.up()


def test_an_image_of_ones_own_is_drawn_and_another_uploaded(page, runs):
    page.goto("/run?run=vogn&tab=Uncertainty maps")
    page.get_by_text("Your own image").click()
    drawn(page)
    page.get_by_text("What the network sees").wait_for()
    page.get_by_text("It says:").wait_for()
    page.get_by_text("of the test images").first.wait_for()
    picture(page, "run-own-image")
    page.get_by_text("Upload", exact=True).click()
    field = page.locator("input[type=file]")
    bad = {"name": "x.png", "mimeType": "image/png", "buffer": b"no image at all"}
    field.set_input_files([bad])
    page.get_by_test_id("stAlert").first.wait_for()
    content = io.BytesIO()
    Image.fromarray(np.full((40, 30), 200, np.uint8)).save(content, "png")
    good = {"name": "y.png", "mimeType": "image/png", "buffer": content.getvalue()}
    field.set_input_files([good])
    page.get_by_text("It says:").wait_for()


def archive(images: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, data in images.items():
            file.writestr(name, data)
    return content.getvalue()


def png(value: int) -> bytes:
    content = io.BytesIO()
    noise = np.random.default_rng(value).integers(0, 60, (12, 12))
    Image.fromarray((noise + value).astype(np.uint8)).save(content, "png")
    return content.getvalue()


def test_a_bad_dataset_is_refused_and_a_good_one_trained_on(page, runs):
    page.goto("/")
    page.get_by_role("combobox", name="Dataset").first.click()
    page.get_by_role("option", name="Your own images").click()
    page.get_by_role("button", name="Upload", exact=True).or_(
        page.get_by_text("Upload", exact=True)
    ).first.click()
    field = page.locator("input[type=file]").first
    bad = archive({"../../evil/a.png": png(1), "cats/b.png": png(2)})
    field.set_input_files([
        {"name": "bad.zip", "mimeType": "application/zip", "buffer": bad}
    ])
    page.get_by_role("button", name="Check and add").click()
    page.get_by_text("Nothing was kept.").wait_for()
    good = archive(
        {f"pets/{name}/{k}.png": png(90 * (name == "dogs") + k)
         for name in ("cats", "dogs") for k in range(20)}
    )  # fmt: skip
    field.set_input_files([
        {"name": "pets.zip", "mimeType": "application/zip", "buffer": good}
    ])
    page.get_by_role("textbox", name="Name").and_(
        page.locator("[value='pets']")
    ).wait_for()
    page.get_by_role("button", name="Check and add").click()
    page.get_by_text("40 images").first.wait_for()
    picture(page, "launch-upload")
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/run?run=*")
    page.get_by_role("heading", level=2).filter(has_text="Finished").wait_for()
    run = next(run for run in list_runs(runs) if run.id not in ("vogn", "adamw"))
    assert load_config(run).dataset.name == "folder"


def test_the_optimizer_is_set_downloaded_and_used(page, tmp_path):
    page.goto("/optimizer?optimizer=vogn")
    page.get_by_text("Measured here").wait_for()
    picture(page, "optimizer")
    field = page.get_by_role("spinbutton", name="Momentum")
    field.fill("0.85")
    field.press("Enter")
    page.get_by_text("momentum=0.85").first.wait_for()
    page.get_by_role("button", name="Pack the archive").click()
    with page.expect_download() as got:
        page.get_by_role("button", name=".zip").click()
    with zipfile.ZipFile(got.value.path()) as file:
        file.extractall(tmp_path)
    (example,) = tmp_path.rglob("example.py")
    assert "momentum=0.85" in example.read_text()
    done = subprocess.run(
        [sys.executable, "-I", example.name], cwd=example.parent,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_report_is_made_shown_and_exported(page, runs):
    page.goto("/run?run=vogn")
    page.get_by_role("button", name="Report").click()
    page.wait_for_url("**/report?runs=vogn")
    page.get_by_role("button", name="Make the report").click()
    frame = page.frame_locator("iframe").frame_locator("iframe")
    frame.get_by_role("heading", level=1).wait_for()
    picture(page, "report-page")
    for name, start in (("PDF", b"%PDF"), ("HTML", b"<!"), ("All as zip", b"PK")):
        with page.expect_download() as got:
            page.get_by_role("button", name=name, exact=True).click()
        assert got.value.path().read_bytes().startswith(start)
    with page.expect_download() as got:
        page.get_by_role("button", name="JSON", exact=True).click()
    content = json.loads(got.value.path().read_text())
    assert content == json.loads((runs / "vogn" / "report" / "report.json").read_text())


def test_the_theme_is_chosen_once_for_all_pages(page):
    def has_ground(colour: str) -> None:
        app = sync_api.expect(page.locator(".stApp"))
        app.to_have_css("background-color", colour, timeout=TIMEOUT * 1000)

    page.goto("/system?system=Settings")
    page.get_by_role("radio", name="Dark").click()
    has_ground("rgb(16, 22, 29)")
    page.goto("/runs")
    page.get_by_test_id("stDataFrame").wait_for()
    has_ground("rgb(16, 22, 29)")
    page.goto("/system?system=Settings")
    page.locator("input[value=Dark]:checked").wait_for()
    page.get_by_role("radio", name="Light").click()
    has_ground("rgb(255, 255, 255)")


def test_nothing_of_a_page_outlives_its_server(browser, runs, tmp_path):
    def predictors() -> set[int]:
        return {each.pid for each in processes_of("trainers.predictor", str(runs))}

    others = predictors()  # of the server of the other tests
    with serving(runs, slots=1) as server:
        with visiting(browser, server.address) as page:
            page.goto("/run?run=vogn&tab=Uncertainty maps")
            page.get_by_text("Your own image").click()
            drawn(page)
            page.get_by_text("It says:").wait_for()
            own = predictors() - others
            assert own
        server.kill()
        until(lambda: not predictors() & own, "it ended")
