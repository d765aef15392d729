"""The dashboard in a real Chromium, with a real server and real trainings."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api

from data import DATASETS
from tests.ui import fakes
from tests.ui.chromium import (
    SWITCHES,
    Server,
    chromium,
    family,
    picture,
    serving,
    until,
    visiting,
)
from trainers.runs import Run, list_runs
from trainers.status import Process, observed, read_status

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 5000  # epochs of a run that only a stop ends
LOSS = "[aria-label^='Training loss']"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs that most tests share."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def server(runs: Path) -> Iterator[str]:
    """A server that trains two runs at a time."""
    with serving(runs, slots=2) as server:
        yield server.address


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Server]:
    """A server of its own that trains one run at a time."""
    with serving(tmp_path / "runs", slots=1) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = chromium()
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Any]:
    with visiting(browser, server) as opened:
        yield opened


def launch(page: Any, runs: Path, *, epochs: int, dataset: str = "") -> Run:
    """Fill the form as a person does, launch, and return the run."""
    page.goto("/")
    if dataset:
        page.get_by_role("combobox", name="Dataset").click()
        page.get_by_role("option", name=DATASETS[dataset].title).click()
        page.get_by_text(f"--dataset {dataset}").wait_for()
    field = page.get_by_role("spinbutton", name="Epochs")
    field.fill(str(epochs))
    field.press("Enter")
    page.get_by_text(f"--epochs {epochs}").wait_for()
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/run?run=*")
    run = Run(runs / page.url.rpartition("=")[2])
    assert run.config.exists()
    return run


def points(page: Any) -> int:
    """How many points the loss curve has, 0 before there is one."""
    script = f"""() => {{
      const plot = document.querySelector("{LOSS}");
      return plot && plot.data ? plot.data[0].x.length : 0;
    }}"""
    return int(page.evaluate(script))


def wait_for_growth(page: Any, seen: int) -> int:
    return int(until(lambda: max(0, points(page) - seen) and points(page), "it grows"))


def horizontal_range(page: Any) -> list[float]:
    script = f"""() => document.querySelector("{LOSS}")._fullLayout.xaxis.range"""
    return [round(value, 6) for value in page.evaluate(script)]


def ink(page: Any) -> int:
    """How light the text of the loss curve is, 0 to 255."""
    script = f"""() => document.querySelector("{LOSS}")._fullLayout.font.color"""
    red_green_blue = page.evaluate(script).removeprefix("rgba(").split(",")[:3]
    return min(int(part) for part in red_green_blue)


def zoom(page: Any) -> list[float]:
    """Drag over the middle of the loss curve; returns the range that is left."""
    before = horizontal_range(page)
    area = page.locator(f"{LOSS} .nsewdrag.drag").first.bounding_box()
    middle = area["y"] + area["height"] / 2
    page.mouse.move(area["x"] + 0.3 * area["width"], middle)
    page.mouse.down()
    page.mouse.move(area["x"] + 0.7 * area["width"], middle, steps=6)
    page.mouse.up()
    until(lambda: horizontal_range(page) != before, "the chart is zoomed")
    return horizontal_range(page)


def wait_for_state(page: Any, state: str) -> None:
    try:
        page.get_by_role("heading", level=2).filter(has_text=state).wait_for()
    except sync_api.TimeoutError:
        shown = page.get_by_test_id("stMain").inner_text()
        pytest.fail(f"{page.url} should show {state}, but shows:\n{shown[:1000]}")


def open_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.get_by_role("tab", name=name, exact=True, selected=True).wait_for()


def stop(page: Any, run: Run) -> None:
    """Press Stop and see to it that nothing of the run is left."""
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_state(page, "Stopped")
    page.get_by_role("button", name="Resume").wait_for()  # the whole page is new
    until(lambda: not family(run), "its processes are gone")
    assert read_status(run).state == "stopped"


def test_a_live_run_keeps_its_zoom_survives_a_reload_and_another_is_stopped(page, runs):
    first = launch(page, runs, epochs=LONG)
    page.get_by_role("progressbar").wait_for()
    seen = wait_for_growth(page, 3)
    zoomed = zoom(page)
    for _ in range(2):
        seen = wait_for_growth(page, seen)
        assert horizontal_range(page) == zoomed

    page.reload()
    page.get_by_role("heading", name="VOGN on Digits").wait_for()
    assert page.url.endswith(f"run={first.id}")
    assert wait_for_growth(page, seen) > seen

    second = launch(page, runs, epochs=LONG)
    wait_for_growth(page, 0)
    assert len(family(second)) >= 2  # supervisor and trainer
    stop(page, second)
    assert page.get_by_role("button", name="Resume").is_visible()

    assert observed(first).state == "running"  # the other run was left alone
    page.goto(f"/run?run={first.id}")
    stop(page, first)


def test_a_finished_run_shows_how_far_it_can_be_trusted(page, runs):
    page.goto("/")
    page.get_by_role("button", name="Launch", exact=True).wait_for()
    launch(page, runs, epochs=60)
    wait_for_growth(page, 9)
    wait_for_state(page, "Finished")
    metrics = page.get_by_test_id("stMetric")
    until(lambda: metrics.count() == 5, "five numbers are shown")
    open_tab(page, "Calibration")
    page.locator("[aria-label^='Reliability diagram'] .main-svg").first.wait_for()
    open_tab(page, "OOD")
    page.locator("[aria-label*='istogram'] .main-svg").first.wait_for()
    open_tab(page, "Uncertainty maps")
    cards = page.locator("img[alt*='Test image']")
    cards.first.wait_for()
    assert cards.count() > 4
    page.reload()  # the tab stands in the address
    cards.first.wait_for()
    open_tab(page, "Convergence")
    page.locator(f"{LOSS} .main-svg").first.wait_for()

    page.emulate_media(color_scheme="dark")
    until(lambda: ink(page) > 150, "the charts follow the dark theme")


# Chromium without a window has no place to show notifications.
STUB = """
window.shown = [];
window.Notification = class {
  static permission = localStorage.getItem("stub") ?? "START";
  static async requestPermission() {
    localStorage.setItem("stub", "granted");
    return (window.Notification.permission = "granted");
  }
  constructor(title, options) { window.shown.push({ title, ...options }); }
};
"""


def test_points_of_the_plane_get_their_maps_and_the_end_is_told_once(
    browser, server, runs
):
    with visiting(browser, server, permissions=["notifications"]) as page:
        page.add_init_script(STUB.replace("START", "default"))
        run = launch(page, runs, epochs=60, dataset="moons")
        page.get_by_role("switch", name="Notify me").click()
        page.locator("[role=switch][aria-checked=true]").wait_for()
        wait_for_state(page, "Finished")
        page.get_by_test_id("stToast").get_by_text(f"Run {run.id} finished").wait_for()
        (told,) = until(lambda: page.evaluate("window.shown"), "it is told")
        assert told["title"] == f"Run {run.id} finished"
        assert told["body"].startswith("VOGN on Two moons, accuracy ")
        open_tab(page, "Uncertainty maps")
        for start in ("Most probable of 2 classes", "Total entropy", "Mutual"):
            page.locator(f"[aria-label^='{start}'] .main-svg").first.wait_for()
        page.get_by_role("link", name="Runs", exact=True).click()
        page.get_by_test_id("stDataFrame").wait_for()
        assert page.evaluate("window.shown.length") == 1


def test_without_permission_the_switch_says_so(browser, server, runs):
    with subprocess.Popen(["sleep", "600"]) as process:
        trainer = Process.of(process.pid)
        fakes.write_run(runs, "20260102-110000-live", state="running", trainer=trainer)
        with visiting(browser, server) as page:
            page.add_init_script(STUB.replace("START", "denied"))
            page.goto("/run?run=20260102-110000-live")
            page.get_by_role("switch", name="Notify me").click()
            page.get_by_text("Notifications of this page are blocked").wait_for()
            assert page.locator("[role=switch][aria-checked=false]").count() == 1
        process.kill()


def test_a_failed_run_says_why_and_offers_to_go_on(page, runs):
    name = "20260102-100000-bad"
    message = "Rank 1 (process 4711) was killed when the machine had no memory left."
    fakes.write_run(
        runs, name, state="failed", done=0.6, error_class="out of memory",
        message=message, error_tail=OUT_OF_MEMORY,
    )  # fmt: skip
    page.goto(f"/run?run={name}")
    wait_for_state(page, "Failed")
    page.get_by_text("Lower the batch size, or choose a smaller model.").wait_for()
    page.get_by_text("Tried to allocate 2.00 GiB").wait_for()
    page.get_by_role("button", name="Resume").wait_for()
    page.locator(f"{LOSS} .main-svg").first.wait_for()
    picture(page, "run-failed")


OUT_OF_MEMORY = """[rank1]: Traceback (most recent call last):
[rank1]:   File "trainers/steps.py", line 41, in train_step
[rank1]:     loss.backward()
[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 1
has a total capacity of 23.52 GiB of which 1.11 GiB is free."""


def test_the_table_opens_a_run_and_follows_the_dark_theme(page, runs):
    fakes.write_run(runs, "20260101-120000-a1b2c3", evaluated=True)
    page.emulate_media(color_scheme="dark")
    page.goto("/runs")
    table = page.get_by_test_id("stDataFrame")
    table.wait_for()
    corner = table.bounding_box()
    # The table is a canvas: the button of the last row, the oldest run, lies here.
    page.mouse.click(corner["x"] + 65, corner["y"] + corner["height"] - 20)
    page.wait_for_url("**/run?run=20260101-120000-a1b2c3")
    page.locator(f"{LOSS} .main-svg").first.wait_for()
    assert ink(page) > 150  # light on dark from the first moment


def test_a_run_waits_for_its_turn_outlives_the_server_and_goes_on(browser, single):
    with visiting(browser, single.address) as page:
        first = launch(page, single.runs, epochs=LONG)
        second = launch(page, single.runs, epochs=LONG)
        wait_for_state(page, "Queued #1")
        page.get_by_text(f"Waits for CPU slot 0: leased by run {first.id}").wait_for()
        assert points(page) == 0
        picture(page, "run-queued")
        pause_and_go_on(page)

        page.goto(f"/run?run={second.id}")
        other = page.context.new_page()
        other.goto(f"/run?run={first.id}")
        stop(other, first)
        other.close()
        wait_for_state(page, "Running")  # nobody touched this page
        seen = wait_for_growth(page, 0)

        before = set(family(second))
        single.kill()
        reached = read_status(second).step
        single.start()
        page.goto(f"/run?run={second.id}")
        wait_for_growth(page, seen)
        assert set(family(second)) == before  # the very same processes
        assert read_status(second).step > reached
        stop(page, second)

        stopped = read_status(second).step
        page.get_by_role("button", name="Resume").click()
        wait_for_state(page, "Running")
        until(lambda: read_status(second).step > stopped, "it goes on from there")
        stop(page, second)


def pause_and_go_on(page: Any) -> None:
    page.goto("/runs")
    page.get_by_text("1 run queued.").wait_for()
    page.get_by_role("button", name="Pause the queue").click()
    page.get_by_test_id("stAlert").get_by_text("The queue is paused.").wait_for()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Pause the queue").wait_for()


def test_a_sweep_is_queued_and_a_clone_begins_with_its_settings(browser, single):
    with visiting(browser, single.address) as page:
        page.goto("/")
        page.get_by_role("button", name="Launch", exact=True).wait_for()
        page.get_by_text("Sweep", exact=True).click()
        fill(page, "Seeds", "0, 1, 2, 3")
        page.get_by_role("button", name="Queue 4 runs").wait_for()
        choose(page, "Setting", "Learning rate")
        fill(page, "Values", "0.5, 1, 2")
        page.get_by_role("button", name="Queue 12 runs").wait_for()
        picture(page, "launch-sweep")
        page.get_by_role("button", name="Queue 12 runs").click()
        page.wait_for_url("**/runs?group=*")
        page.get_by_text("runs queued.").wait_for()
        page.get_by_text("12 runs, ").wait_for()
        if os.environ.get("VOGN_SCREENSHOTS"):  # some have numbers in the picture
            page.get_by_text("8 runs queued.").wait_for()
        picture(page, "runs-queue")
        page.emulate_media(color_scheme="dark")
        picture(page, "runs-queue-dark")

        last = list_runs(single.runs)[0]
        page.goto(f"/run?run={last.id}")
        wait_for_state(page, "Queued #")
        before = page.get_by_test_id("stPageLink-NavLink").last.get_attribute("href")
        page.locator(f"a[href='{before}']").click()
        page.wait_for_url(f"**/{before}")  # a reload shows the same run

        page.goto(f"/run?run={last.id}")
        wait_for_state(page, "Queued #")
        page.get_by_role("button", name="Clone").click()
        page.wait_for_url("**/?clone=*")
        page.get_by_text("--lr 2.0").wait_for()
        page.get_by_text("--seed 3").wait_for()
        page.get_by_text("runs are before it.").wait_for()
        page.get_by_role("button", name="Begin with the defaults").click()
        page.get_by_text("--lr 2.0").wait_for(state="detached")
        seed = page.get_by_role("spinbutton", name="Seed")
        until(lambda: seed.input_value() == "0", "the field shows the default")


def fill(page: Any, name: str, text: str) -> None:
    field = page.get_by_role("textbox", name=name).first
    field.fill(text)
    field.press("Enter")


def choose(page: Any, name: str, option: str) -> None:
    box = page.get_by_role("combobox", name=name)
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(300)  # a list that opens while the page scrolls closes again
    box.click()
    page.get_by_role("option", name=option).click()
