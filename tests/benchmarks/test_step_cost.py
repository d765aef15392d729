"""benchmarks/step_cost.py."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import step_cost
from benchmarks.peers.cost import Effort
from benchmarks.peers.methods import METHODS

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {
    "network", "method", "ratio", "ratio_low", "ratio_high", "ratio_to_sgd",
    "milliseconds", "extra_mib", "squares", "refreshed_share", "reason",
}  # fmt: skip
LEAST = Effort(3, 0.1, window=12)


@pytest.fixture(autouse=True)
def small_and_quiet(monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tests run beside each other
    batches = {"lenet5": 8, "resnet20": 2}
    for name, batch_size in batches.items():
        small = replace(step_cost.NETWORKS[name], batch_size=batch_size)
        monkeypatch.setitem(step_cost.NETWORKS, name, small)
    yield
    torch.set_num_threads(threads)


OWN_SECOND_ORDER = {"kfac": 0.1, "kfac_every_step": 1.0, "kfac_no_history": 0.1}


def by_method(rows):
    return {row["method"]: row for row in rows}


def test_a_network_has_a_row_for_every_method():
    rows = step_cost.measure("lenet5", list(METHODS), LEAST)
    assert [row["method"] for row in rows] == list(METHODS)
    assert all(set(row) == FIELDS for row in rows)
    for row in rows:
        if row["reason"]:
            assert METHODS[row["method"]].is_peer
            assert row["reason"].startswith("not installed")
            assert row["ratio"] is None
        else:
            assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
            assert row["milliseconds"] > 0
            exact = METHODS[row["method"]].squares is not None
            assert row["squares"] == ("exact" if exact else "-")
            tells = row["method"] in {*OWN_SECOND_ORDER, "sp_ngd", "sp_ngd_no_history"}
            assert (row["refreshed_share"] is not None) == tells


def test_the_units_are_always_there_and_cost_one():
    rows = by_method(step_cost.measure("lenet5", ["vogn"], LEAST))
    assert list(rows) == ["adamw", "sgd", "vogn"]
    assert rows["adamw"]["ratio"] == rows["sgd"]["ratio_to_sgd"] == 1
    times = {method: row["milliseconds"] for method, row in rows.items()}
    ratio = rows["vogn"]["ratio_to_sgd"]
    assert ratio == pytest.approx(times["vogn"] / times["sgd"])
    assert rows["adamw"]["extra_mib"] == 0
    # VOGN holds the mean and the noise beside the drawn weights: 61,706 floats each.
    assert 2 * 61_706 * 4 / 2**20 <= rows["vogn"]["extra_mib"] < 10


def test_second_order_methods_tell_how_often_they_refresh():
    methods = [*OWN_SECOND_ORDER, "sp_ngd"]
    rows = by_method(step_cost.measure("lenet5", methods, LEAST))
    for method, share in OWN_SECOND_ORDER.items():
        assert rows[method]["refreshed_share"] == pytest.approx(share, rel=0.1)
    stale = rows["sp_ngd"]
    assert 0 < stale["refreshed_share"] < 1  # inputs of the first layer never change
    assert stale["ratio_low"] == stale["ratio"] == stale["ratio_high"]  # one repeat
    assert f"refreshes {stale['refreshed_share']:.1%}" in step_cost.table_line(stale)


def test_batch_norm_is_contributions_to_vogn_and_not_supported_by_vmap():
    rows = by_method(step_cost.measure("resnet20", ["vogn", "vmap_grad"], LEAST))
    assert rows["vogn"]["squares"] == "contributions"
    assert rows["vmap_grad"]["ratio"] is None
    assert "not supported: in BatchNorm2d: " in rows["vmap_grad"]["reason"]
    assert rows["vmap_grad"]["reason"] in step_cost.table_line(rows["vmap_grad"])


def test_peers_that_are_not_installed_are_reported(monkeypatch):
    packages = {
        "ivon_opt": "ivon", "backpack": "backpack", "opacus": "opacus",
        "asdl_kfac": "asdl", "kfac_pytorch": "kfac", "soap": "pytorch_optimizer",
    }  # fmt: skip
    for package in packages.values():
        monkeypatch.setitem(sys.modules, package, None)
    rows = by_method(step_cost.measure("lenet5", list(packages), LEAST))
    for method, package in packages.items():
        assert rows[method]["reason"] == f"not installed: {package}"


def test_an_error_of_our_own_is_not_hidden(monkeypatch):
    def broken(model):
        raise NotImplementedError("ours")

    method = replace(METHODS["vogn"], prepare=broken)
    monkeypatch.setitem(step_cost.METHODS, "vogn", method)
    with pytest.raises(NotImplementedError, match="ours"):
        step_cost.measure("lenet5", ["vogn"], LEAST)


def test_main_prints_the_table_and_writes_its_rows(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(step_cost, "QUICK", LEAST)
    path = tmp_path / "rows.json"
    only = ["--only", "lenet5", "--methods", "sgd", "vogn"]
    step_cost.main(["--quick", *only, "--threads", "2", "--json", str(path)])
    out = capsys.readouterr().out
    rows = by_method(json.loads(path.read_text()))
    assert list(rows) == ["adamw", "sgd", "vogn"]
    assert f"{rows['vogn']['ratio']:.2f}" in out
    head = out.splitlines()[:2]
    assert "torch" in head[0]
    assert "threads: 2" in head[0]
    assert "opacus" in head[1]
    assert len(out.splitlines()) == 2 + 1 + 3


def test_timings_of_second_order_are_followed_by_what_is_sent(capsys, monkeypatch):
    monkeypatch.setattr(step_cost, "QUICK", LEAST)
    step_cost.main(["--quick", "--only", "lenet5", "--methods", "sp_ngd"])
    *_, sp_ngd, half = capsys.readouterr().out.splitlines()
    assert sp_ngd.split()[:2] == ["lenet5", "sp_ngd"]
    assert half.split()[:3] == ["lenet5", "...", "half"]
    assert float(half.split()[-1]) < float(sp_ngd.split()[-1])


def test_what_is_sent_can_be_asked_for_alone(capsys, monkeypatch):
    monkeypatch.setattr(step_cost, "measure", None)
    step_cost.main(["--volume", "--only", "lenet5", "resnet20"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-8:]] == ["lenet5"] * 4 + ["resnet20"] * 4


def test_it_runs_as_a_script_beside_a_package_of_the_same_name(tmp_path):
    # Opacus installs one, which is found before an editable install.
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "benchmarks/step_cost.py", "--quick", "--only", "lenet5",
         "--methods", "sgd"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(tmp_path)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    methods = [line.split()[1] for line in done.stdout.splitlines()[-2:]]
    assert methods == ["adamw", "sgd"]
    assert not done.stderr
