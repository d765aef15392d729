"""The public names, and that they come without a framework."""

import json
import subprocess
import sys

import calibration

PROBE = """
import json, sys
import calibration
print(json.dumps(sorted(sys.modules)))
"""


FRAMEWORKS = {"torch", "sklearn", "streamlit", "vogn_app", "trainers", "data", "ui"}
SLOW = {"plotly", "matplotlib", "pandas", "scipy.stats", "scipy.optimize"}
FORBIDDEN = FRAMEWORKS | SLOW


def test_public_names_are_there_once():
    assert len(set(calibration.__all__)) == len(calibration.__all__)
    missing = [name for name in calibration.__all__ if not hasattr(calibration, name)]
    assert missing == []


def test_importing_the_package_imports_numpy_and_no_framework():
    done = subprocess.run(
        [sys.executable, "-c", PROBE], check=True, capture_output=True, text=True
    )
    loaded = set(json.loads(done.stdout))
    assert {"calibration", "numpy"} <= loaded
    assert loaded & FORBIDDEN == set()
