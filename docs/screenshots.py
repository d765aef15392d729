"""Take the pictures of README's gallery: every page, light and dark, in Chromium.

    python docs/screenshots.py RUNS

RUNS is a folder with finished runs: one on two moons called moons, and fm-vogn,
fm-adamw and fm-sp_ngd, each made by these two:

    python -m trainers submit --dataset fashion-mnist --model lenet5 --epochs 12
        --optimizer NAME --run-dir RUNS/fm-NAME --follow
    python -m trainers shift RUNS/fm-NAME

a study and a run of tasks one after another, with VOGN_RUNS=RUNS:

    python -m trainers study cold_posterior --dataset digits --model mlp --epochs 30
        --optimizer vogn --batch-size 64 --seed 0 1 2 --group cold
    python -m trainers continual --quick --run-dir RUNS/continual

Needs Chromium and `pip install -e ".[app,dev]"`.
"""

import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright import sync_api

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.ui.chromium import SWITCHES, chromium, serving

FOLDER = Path(__file__).with_name("screenshots")
WIDTH, TALLEST = 1400, 1500  # pixels; what is below says no more
THREE = "fm-vogn,fm-adamw,fm-sp_ngd"
PAGES = {
    "launch": "/",
    "runs": "/runs",
    "run-convergence": "/run?run=fm-vogn",
    "run-calibration": "/run?run=fm-vogn&tab=Calibration",
    "run-ood": "/run?run=fm-vogn&tab=OOD",
    "run-gallery": "/run?run=fm-vogn&tab=Uncertainty maps",
    "run-map": "/run?run=moons&tab=Uncertainty maps",
    "run-selective": "/run?run=fm-vogn&tab=Selective prediction",
    "run-shift": "/run?run=fm-vogn&tab=Shift",
    "run-posterior": "/run?run=fm-vogn&tab=Posterior",
    "run-log": "/run?run=fm-vogn&tab=Log",
    "run-configuration": "/run?run=fm-vogn&tab=Configuration",
    "run-downloads": "/run?run=fm-vogn&tab=Downloads",
    "run-continual": "/run?run=continual&tab=Continual",
    "compare": f"/compare?runs={THREE}",
    "compare-study": "/compare?runs=group:cold&compare=Against a setting",
    "optimizer": "/optimizer?optimizer=vogn",
    "report-page": f"/report?runs={THREE}",
    "system": "/system",
}


def main(runs: Path) -> None:
    """Take all pictures."""
    cache = {"VOGN_CACHE": str(runs.with_name("datasets"))}  # which System shows
    with (
        serving(runs, slots=1, environment=cache) as server,
        sync_api.sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
        for scheme in ("light", "dark"):
            page = browser.new_page(color_scheme=scheme, base_url=server.address)
            for name, address in PAGES.items():
                take(
                    page, address, FOLDER / f"{name}{'-dark' * (scheme == 'dark')}.png"
                )
        own_image(browser, server.address)
        browser.close()


def take(page: Any, address: str, file: Path) -> None:
    """Open a page, wait until it stands still, and keep its picture."""
    page.set_viewport_size({"width": WIDTH, "height": 900})
    page.goto(address)
    page.get_by_test_id("stMainBlockContainer").wait_for()
    still(page)
    if "report" in file.name:
        button = page.get_by_role("button", name="Make the report")
        if button.count():
            button.click()
        frame = page.frame_locator("iframe").frame_locator("iframe")
        frame.get_by_role("heading", level=1).wait_for(timeout=180_000)
        still(page)
    keep(page, file)


def own_image(browser: Any, address: str) -> None:
    """Draw something that is no clothing, and keep what the network says."""
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme, base_url=address)
        page.set_viewport_size({"width": WIDTH, "height": 1000})
        page.goto("/run?run=fm-vogn&tab=Uncertainty maps")
        page.get_by_text("Your own image").click()
        box = page.locator("canvas").first.bounding_box()
        for x, y in ((0.3, 0.2), (0.7, 0.2), (0.5, 0.5), (0.4, 0.85)):
            place = box["x"] + x * box["width"], box["y"] + y * box["height"]
            page.mouse.move(*place, steps=6)
            page.mouse.down()
        page.mouse.up()
        page.get_by_text("It says:").wait_for(timeout=120_000)
        still(page)
        keep(page, FOLDER / f"run-own-image{'-dark' * (scheme == 'dark')}.png")


def still(page: Any) -> None:
    """Wait until the script has run and the charts are drawn."""
    page.locator("[data-test-script-state=notRunning]").wait_for(timeout=120_000)
    page.wait_for_timeout(2500)


def keep(page: Any, file: Path) -> None:
    """Save the whole page, in few colours: the repository keeps every version."""
    script = """() => document.querySelector(
      "[data-testid='stMainBlockContainer']").scrollHeight + 60"""
    height = min(TALLEST, max(700, int(page.evaluate(script))))
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.mouse.move(2, 300)  # no toolbar of a hovered chart in the picture
    page.wait_for_timeout(1500)
    page.screenshot(path=str(file))
    with Image.open(file) as image:
        method = Image.Quantize.MAXCOVERAGE  # keeps the colours of small dots
        small = image.convert("RGB").quantize(256, method, dither=Image.Dither.NONE)
    small.save(file, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
