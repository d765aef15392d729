"""benchmarks/step_cost.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {
    "network", "method", "ratio", "ratio_low", "ratio_high", "milliseconds",
    "extra_mib",
}  # fmt: skip


@pytest.mark.slow
def test_quick_lenet5_prints_a_table_and_writes_its_rows(tmp_path):
    path = tmp_path / "rows.json"
    done = subprocess.run(
        [sys.executable, "benchmarks/step_cost.py", "--quick", "--only", "lenet5",
         "--json", path],
        cwd=ROOT, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    rows = {row["method"]: row for row in json.loads(path.read_text())}
    assert all(set(row) == FIELDS for row in rows.values())
    assert rows["adamw"]["ratio"] == 1
    assert rows["vogn"]["milliseconds"] > rows["adamw"]["milliseconds"]
    # The target is 2.0 on a machine at rest; tests run beside each other.
    assert rows["vogn"]["ratio"] < 4
    assert f"{rows['vogn']['ratio']:.2f}" in done.stdout
    assert "torch" in done.stdout.splitlines()[0]
