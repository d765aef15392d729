"""What the dashboard imports must stay light."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "sklearn", "streamlit", "timm", "torchvision", "scipy")
MODULES = (
    "annotations", "catalogue", "commands", "config", "doctor", "doctor.engine",
    "doctor.installation", "doctor.machine", "doctor.settings", "errands", "families",
    "farewells", "flags", "preferences", "presets", "saved", "timm_catalogue",
    "jobs", "jobs.dispatcher", "jobs.local", "jobs.supervisor", "launcher", "mirrors",
    "ranks", "runs", "status", "stopping", "sweep", "__main__",
)  # fmt: skip


def test_no_light_module_imports_anything_heavy():
    imports = "\n".join(f"import trainers.{name}" for name in MODULES)
    code = f"{imports}\nimport sys, json\nprint(json.dumps(list(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    loaded = set(json.loads(output))
    assert "trainers.jobs.dispatcher" in loaded
    assert not loaded & set(HEAVY)


def test_a_trainer_has_no_use_for_the_job_store():
    code = "import trainers.__main__, sys; sys.exit('sqlalchemy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["submit", "--help"], ["doctor", "--help"]]
)
def test_help_appears_without_torch(words):
    code = (
        "import sys\nfrom trainers.__main__ import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "usage: python -m trainers" in done.stdout
