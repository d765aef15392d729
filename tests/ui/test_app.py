"""Tests of `ui/app.py` and of the settings it is started with."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.ui import fakes
from tests.ui.conftest import APP, REPOSITORY
from tests.ui.seen import errors
from trainers import jobs
from trainers.jobs import home, start
from trainers.jobs.home import Home
from trainers.jobs.start import keep_dispatcher as keep
from trainers.runs import runs_root
from ui.components import navigation

CONFIG = tomllib.loads((REPOSITORY / ".streamlit" / "config.toml").read_text())


def test_the_first_page_is_launch(open_page):
    app = open_page("")
    assert not app.exception
    assert app.main.markdown[0].value == "## Launch a run"


def test_every_page_has_an_address(open_page):
    headings = {
        navigation.LAUNCH: "## Launch a run",
        navigation.RUNS: "## Runs",
        navigation.RUN: "### :material/monitoring: No runs yet",
        navigation.COMPARE: "## Compare",
        navigation.OPTIMIZER: "## Optimizer",
        navigation.REPORT: "## Report",
        navigation.SYSTEM: "## System",
    }
    for page, heading in headings.items():
        app = open_page(page)
        assert not app.exception
        assert app.main.markdown[0].value == heading


def test_the_whole_dashboard_runs_without_torch(root):
    code = (
        "import sys\n"
        "from trainers import jobs\n"
        "jobs.keep_dispatcher = lambda: None\n"
        "from streamlit.testing.v1 import AppTest\n"
        "from streamlit.util import calc_hash\n"
        "from ui.views.run.page import TABS\n"
        f"app = AppTest.from_file({str(APP)!r}, default_timeout=60)\n"
        "def see(page, **query):\n"
        "    app._page_hash = calc_hash(page)\n"
        "    app.query_params.clear()\n"
        "    for name, value in query.items():\n"
        "        app.query_params[name] = value\n"
        "    app.run()\n"
        "    assert not app.exception, (page, query, app.exception)\n"
        "    assert 'torch' not in sys.modules, (page, query)\n"
        "for page in ('first', 'runs', 'optimizer', 'system'):\n"
        "    see(page)\n"
        "for tab in TABS:\n"
        "    see('run', run='a', tab=tab)\n"
        "see('compare', runs='a,b')\n"
        "see('report', runs='a')\n"
    )
    for name, optimizer in (("a", "vogn"), ("b", "adamw")):
        fakes.write_run(root, name, optimizer=optimizer, evaluated=True)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_dispatcher_is_looked_after_once_a_process(open_page, monkeypatch):
    started = []
    monkeypatch.setattr(jobs, "keep_dispatcher", lambda: started.append(1))
    open_page("")
    open_page("runs")
    assert started == [1]


def test_where_the_engine_cannot_live_every_page_says_so(open_page, monkeypatch):
    monkeypatch.setattr(home, "network_file_system", lambda path: "nfs4")
    Home.here().folder.mkdir()  # of an earlier time, when it could
    started = []
    monkeypatch.setattr(jobs, "keep_dispatcher", lambda: keep(Home.here()))
    monkeypatch.setattr(start, "ensure_dispatcher", lambda *_, **__: started.append(1))
    for page in (navigation.LAUNCH, navigation.RUNS, navigation.RUN):
        fakes.write_run(runs_root(), f"of-{page}")
        app = open_page(page)
        assert not app.exception
        assert "network file system (nfs4)" in errors(app)
        assert "Set VOGN_JOBS" in errors(app)
    assert started == []


def test_no_module_beside_the_script_shadows_a_package():
    beside = {path.stem for path in Path(APP).parent.iterdir()}
    assert not beside & {"data", "ui", "trainers", "calibration", "tests", "vogn_app"}
    assert "pages" not in beside


def test_only_this_machine_reaches_the_dashboard_and_nothing_is_reported():
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert set(CONFIG["server"]["allowedHosts"]) == {"localhost", "127.0.0.1"}
    assert CONFIG["browser"]["gatherUsageStats"] is False


def test_both_themes_are_complete_and_load_nothing_from_outside():
    light, dark = CONFIG["theme"]["light"], CONFIG["theme"]["dark"]
    assert set(light) == set(dark)
    for theme in (light, dark):
        assert len(set(theme["chartCategoricalColors"])) == 8
        assert len(set(theme["chartSequentialColors"])) == 10
    assert "http" not in (REPOSITORY / ".streamlit" / "config.toml").read_text()


def test_text_stands_out_in_both_themes():
    for name in ("light", "dark"):
        theme = CONFIG["theme"][name]
        ground = theme["backgroundColor"]
        assert contrast(theme["textColor"], ground) > 7
        # Graphics need 3:1 (WCAG 1.4.11); the first four colours draw all curves.
        for color in theme["chartCategoricalColors"][:4]:
            assert contrast(color, ground) > 3
        # Words of the primary colour, and words on it (`ui/style.css`).
        on_primary = {"light": "#FFFFFF", "dark": "#10161D"}[name]
        assert contrast(theme["primaryColor"], ground) > 4.5
        assert contrast(on_primary, theme["primaryColor"]) > 4.5


def contrast(first, second):
    """Contrast ratio of WCAG 2."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(color):
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
