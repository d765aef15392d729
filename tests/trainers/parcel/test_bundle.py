"""Tests of the archive, in an environment that has torch alone."""

import io
import os
import re
import subprocess
import zipfile

import numpy as np
import pytest
import torch

from tests.trainers.parcel.conftest import SAMPLES
from tests.trainers.parcel.values import ALONE, others
from trainers.catalogue import OPTIMIZERS
from trainers.parcel.bundle import bundle
from trainers.parcel.example import example
from trainers.parcel.settings import MAKERS
from trainers.parcel.wheel import LICENCE, ROOT, library_files
from vogn_app import __version__, load_posterior

NOT_THERE = ("streamlit", "numpy", "safetensors", "timm", "trainers", "data", "ui")
PREFIX = f"vogn_app-{__version__}"


def unpacked(parcel, folder):
    with zipfile.ZipFile(io.BytesIO(parcel.content)) as archive:
        archive.extractall(folder)
    return folder / parcel.name.removesuffix(".zip")


def run(python, *words, folder):
    """Run a Python with nothing of ours in its environment."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1",
        "VOGN_APP_KERNELS": "0",
    }  # fmt: skip
    done = subprocess.run(
        [python, *words], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ALONE)
def test_the_same_choice_is_the_same_archive(name):
    spec = OPTIMIZERS[name]
    first, again = bundle(spec, {}), bundle(spec, spec.defaults())
    assert first == again
    assert first.name == f"{PREFIX}-{name}.zip"
    assert bundle(spec, others(spec)).sha256 != first.sha256


def test_the_archive_holds_library_licence_readme_and_example(tmp_path):
    spec, values = OPTIMIZERS["kfac"], {"damping": 0.125}
    folder = unpacked(bundle(spec, values), tmp_path)
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert {k: v for k, v in found.items() if k.startswith("vogn_app/")} == (
        library_files()
    )
    assert found[LICENCE] == (ROOT / LICENCE).read_bytes()
    assert found["example.py"].decode() == example(spec, values)
    readme = found["README.md"].decode()
    assert "KFAC(model, damping=0.125)" in readme
    assert "$" not in readme
    assert "arXiv:1503.05671" in readme
    assert len(found) == len(library_files()) + 3


def test_baselines_have_no_archive():
    with pytest.raises(ValueError, match="must be one of vogn_app, got 'adamw'"):
        bundle(OPTIMIZERS["adamw"], {})


def test_the_readme_names_the_run_and_its_files(finished):
    done = finished()
    parcel = bundle(OPTIMIZERS["vogn"], {}, done)
    assert parcel.name == f"{PREFIX}-vogn-{done.id}.zip"
    with zipfile.ZipFile(io.BytesIO(parcel.content)) as archive:
        readme = archive.read(f"{parcel.name.removesuffix('.zip')}/README.md").decode()
        names = {name.split("/")[1] for name in archive.namelist()}
    assert f"run `{done.id}`" in readme
    assert all(f"`{name}`" in readme for name in names - {"vogn_app", "README.md"})


@pytest.mark.slow
def test_the_environment_has_torch_alone(torch_alone, torch_and_wheel, tmp_path):
    code = (
        "import importlib.util as u, sys; "
        f"print([n for n in {(*NOT_THERE, 'vogn_app')!r} if u.find_spec(n)])"
    )
    assert run(torch_alone, "-I", "-c", code, folder=tmp_path) == "[]\n"
    assert run(torch_and_wheel, "-I", "-c", code, folder=tmp_path) == "['vogn_app']\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
def test_the_example_runs_where_there_is_torch_and_the_wheel(
    name, torch_and_wheel, tmp_path
):
    folder = unpacked(bundle(OPTIMIZERS[name], {}), tmp_path)
    # Isolated: the folder beside the program is not looked into.
    told = run(torch_and_wheel, "-I", folder / "example.py", folder=tmp_path)
    losses = [float(each) for each in re.findall(r"loss (\S+)", told)]
    assert len(losses) == 6
    assert losses[-1] < 0.2
    assert float(re.search(r"accuracy on new points: (\d\.\d+)", told)[1]) > 0.9
    found = [float(each) for each in re.findall(r"uncertainty (\d\.\d+) nats", told)]
    assert len(found) == (2 if OPTIMIZERS[name].bayesian else 0)
    assert found == sorted(found)  # more of it where the clouds meet


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vogn", "ensemble"])
def test_the_example_runs_beside_the_librarys_folder(name, torch_alone, tmp_path):
    spec = OPTIMIZERS[name]
    folder = unpacked(bundle(spec, others(spec)), tmp_path)
    told = run(torch_alone, "-E", "-s", "example.py", folder=folder)
    assert re.search(r"^accuracy on new points: ", told, re.M)
    assert MAKERS[name].kind in (folder / "example.py").read_text()


RUNS = [("vogn", "lenet5"), ("noisy_kfac", "mlp"), ("vogn", "resnet20")]


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "model"), RUNS)
def test_the_posterior_predicts_as_the_run_did(
    optimizer, model, finished, torch_alone, tmp_path
):
    done = finished(optimizer, model)
    folder = unpacked(bundle(OPTIMIZERS[optimizer], {}, done), tmp_path)
    told = run(torch_alone, "-E", "-s", "predict.py", folder=folder)
    mean, drawn = re.findall(r"^largest difference .*: (\S+)$", told, re.M)
    assert float(mean) < 1e-5
    # Of two means of S draws, where one draw is off by at most 1.
    samples = np.load(done.predictions)["probabilities"]
    deviation = samples.std(0).max()
    assert float(drawn) < 6 * deviation * (2 / SAMPLES) ** 0.5 + 1e-3
    assert len(re.findall(r"^\d+: \d [01]\.\d{3}, entropy", told, re.M)) == 32


@pytest.mark.slow
def test_inputs_of_ones_own_are_predicted(finished, torch_alone, tmp_path):
    done = finished(dataset="moons")
    folder = unpacked(bundle(OPTIMIZERS["vogn"], {}, done), tmp_path)
    points = torch.tensor([[0.0, 1.0], [1.0, -0.5]])
    torch.save(points, folder / "inputs.pt")
    code = (
        "import torch, predict; x = torch.load('inputs.pt', weights_only=True); "
        "print(predict.predict(x, 8).tolist()); "
        "print(predict.posterior().mean['1.weight'].sum().item())"
    )
    told = run(torch_alone, "-E", "-s", "-c", code, folder=folder).splitlines()
    here = load_posterior(done.posterior)
    assert float(told[1]) == pytest.approx(here.mean["1.weight"].sum().item())
    probabilities = torch.tensor(eval(told[0]))
    assert torch.allclose(probabilities.sum(-1), torch.ones(2), atol=1e-5)
    shown = run(torch_alone, "-E", "-s", "predict.py", "inputs.pt", folder=folder)
    assert len(shown.splitlines()) == 2
