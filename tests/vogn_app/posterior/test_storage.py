"""Files: round trips, atomicity, and files that hold something else."""

import json
import os
import pickle
import re
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from vogn_app.posterior import GaussianPosterior, PosteriorError

from .examples import Tied, assert_same, convnet, mlp, posterior_of

safetensors = pytest.importorskip("safetensors.torch")

SUFFIXES = [".pt", ".safetensors"]
both = pytest.mark.parametrize("suffix", SUFFIXES)


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("build", [convnet, Tied])
def test_a_round_trip_keeps_every_bit(build, dtype, suffix, tmp_path):
    posterior = posterior_of(build().to(dtype), silent=("1.weight",))
    posterior.save(tmp_path / f"p{suffix}")
    loaded = GaussianPosterior.load(tmp_path / f"p{suffix}")
    for field in ("mean", "precision", "buffers"):
        assert_same(getattr(loaded, field), getattr(posterior, field))
    assert loaded.prior_precision == posterior.prior_precision
    assert loaded.metadata == posterior.metadata
    assert [type(v) for v in loaded.metadata.values()] == [int, float, str]
    assert_same(loaded.sample(2), posterior.sample(2))
    assert [row.name for row in loaded.summary()] == [
        row.name for row in posterior.summary()
    ]


@both
def test_the_folder_holds_the_file_alone_and_saving_again_replaces_it(suffix, tmp_path):
    path = tmp_path / f"p{suffix}"
    posterior_of(mlp(), seed=1).save(str(path))
    second = posterior_of(mlp(), seed=2)
    second.save(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert_same(GaussianPosterior.load(str(path)).precision, second.precision)


@both
def test_views_are_saved_without_what_they_are_views_of(suffix, tmp_path):
    whole = torch.ones(1_000_000)
    GaussianPosterior(
        mean={"a": whole[:2], "b": whole[1:3], "c": whole[:4].reshape(2, 2).T},
        precision={},
        prior_precision={},
    ).save(tmp_path / f"p{suffix}")
    assert (tmp_path / f"p{suffix}").stat().st_size < 10_000


@both
def test_a_failure_leaves_the_old_file_and_no_other(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"p{suffix}"
    posterior_of(mlp()).save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    for target, name in ((os, "fsync"), (Path, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, fail)
            with pytest.raises(OSError, match="disk full"):
                posterior_of(convnet()).save(path)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
        assert path.read_bytes() == before


def test_other_suffixes_are_errors(tmp_path):
    for path in (tmp_path / "p.pth", tmp_path / "p"):
        text = f"path must end in .safetensors or .pt, got {str(path)!r}."
        with pytest.raises(ValueError, match=re.escape(text)):
            posterior_of(mlp()).save(path)
        with pytest.raises(ValueError, match=re.escape(text)):
            GaussianPosterior.load(path)
    assert not list(tmp_path.iterdir())


@both
def test_missing_files_and_folders_are_named(suffix, tmp_path):
    path = tmp_path / "none" / f"p{suffix}"
    with pytest.raises(FileNotFoundError, match=re.escape(f"{path} does not exist.")):
        GaussianPosterior.load(path)
    text = f"{path.parent} does not exist, to save {path.name}."
    with pytest.raises(FileNotFoundError, match=re.escape(text)):
        posterior_of(mlp()).save(path)


class Malicious:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def saved(posterior, path):
    posterior.save(path)
    return path.read_bytes()


def torch_bytes(content, path):
    torch.save(content, path)
    return path.read_bytes()


def changed(path, **changes):
    """A posterior in torch's format with other entries."""
    posterior_of(mlp()).save(path)
    return torch_bytes({**torch.load(path, weights_only=True), **changes}, path)


WRONG_PT = {
    "empty": lambda path: b"",
    "random": lambda path: bytes(range(256)) * 8,
    "text": lambda path: b"not a posterior at all\n",
    "pickle": lambda path: pickle.dumps(Malicious(path.parent / "ran")),
    "zip": lambda path: torch_bytes(Malicious(path.parent / "ran"), path),
    "truncated": lambda path: saved(posterior_of(mlp()), path)[:-200],
    "half": lambda path: saved(posterior_of(mlp()), path)[:1500],
    "weights": lambda path: torch_bytes(mlp().state_dict(), path),
    "tensor": lambda path: torch_bytes(torch.zeros(3), path),
    "newer": lambda path: changed(path, schema=2),
    "incomplete": lambda path: torch_bytes(
        {"format": "vogn_app.posterior", "schema": 1, "mean": {}}, path
    ),
    "no tensors": lambda path: changed(path, mean=[1, 2]),
    "not positive": lambda path: changed(path, precision={"0.bias": torch.zeros(8)}),
}


@pytest.mark.parametrize("kind", WRONG_PT)
def test_wrong_torch_files_are_refused_by_name(kind, tmp_path):
    path = tmp_path / "wrong.pt"
    path.write_bytes(WRONG_PT[kind](path))
    with pytest.raises(PosteriorError) as caught:
        GaussianPosterior.load(path)
    assert str(caught.value).startswith(str(path))
    assert "weights_only" not in str(caught.value)  # no advice to run the code
    assert not (tmp_path / "ran").exists()


def test_the_malicious_file_can_do_harm(tmp_path):
    content = pickle.dumps(Malicious(tmp_path / "ran"))
    pickle.loads(content)
    assert (tmp_path / "ran").exists()


def header(**changes):
    """The header of a valid safetensors posterior, changed; None leaves one out."""
    values = {
        "format": "vogn_app.posterior",
        "schema": "1",
        "prior_precision": json.dumps({"w": 1.0}),
        "metadata": "{}",
        "order": json.dumps({"mean": ["w"], "precision": ["w"], "buffers": []}),
        **changes,
    }
    tensors = {"mean/w": torch.zeros(2), "precision/w": torch.ones(2)}
    values = {name: value for name, value in values.items() if value is not None}
    return safetensors.save(tensors, values)


WRONG_SAFETENSORS = {
    "empty": lambda path: b"",
    "random": lambda path: bytes(range(1, 256)) * 8,
    "truncated": lambda path: saved(posterior_of(mlp()), path)[:-5],
    "half": lambda path: saved(posterior_of(mlp()), path)[:100],
    "weights": lambda path: safetensors.save(nn.Linear(2, 2).state_dict()),
    "another": lambda path: header(format="pt"),
    "newer": lambda path: header(schema="2"),
    "no prior": lambda path: header(prior_precision=None),
    "no JSON": lambda path: header(metadata="{"),
    "no dict": lambda path: header(metadata="[]"),
    "nested": lambda path: header(metadata="[" * 100_000),
    "no order": lambda path: header(order="[]"),
    "other names": lambda path: header(order='{"mean": ["x"]}'),
    "negative": lambda path: header(prior_precision='{"w": -1}'),
    "pt": lambda path: torch_bytes({"a": torch.zeros(2)}, path),
}


@pytest.mark.parametrize("kind", WRONG_SAFETENSORS)
def test_wrong_safetensors_files_are_refused_by_name(kind, tmp_path):
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(WRONG_SAFETENSORS[kind](path))
    with pytest.raises(PosteriorError) as caught:
        GaussianPosterior.load(path)
    assert str(caught.value).startswith(str(path))


def test_the_header_of_these_tests_is_valid_unchanged(tmp_path):
    path = tmp_path / "right.safetensors"
    path.write_bytes(header())
    assert GaussianPosterior.load(path).prior_precision == {"w": 1.0}


def test_messages_say_what_is_wrong(tmp_path):
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(safetensors.save(nn.Linear(2, 2).state_dict()))
    text = f"{path} is no saved GaussianPosterior: its format is None, not"
    with pytest.raises(PosteriorError, match=re.escape(text)):
        GaussianPosterior.load(path)
    path.write_bytes(header(schema="2"))
    text = f"{path} must have schema 1, the one this version reads, got '2'."
    with pytest.raises(PosteriorError, match=re.escape(text)):
        GaussianPosterior.load(path)
    path.write_bytes(header(prior_precision='{"w": -1}'))
    text = f"{path} is a damaged posterior: prior_precision of w must be a finite"
    with pytest.raises(PosteriorError, match=re.escape(text)):
        GaussianPosterior.load(path)


@both
def test_a_folder_is_no_file(suffix, tmp_path):
    path = tmp_path / f"p{suffix}"
    path.mkdir()
    text = f"{path} must be a file, got a folder."
    with pytest.raises(PosteriorError, match=re.escape(text)):
        GaussianPosterior.load(path)


def test_without_safetensors_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "p.safetensors"
    posterior_of(mlp()).save(path)
    for name in ("safetensors", "safetensors.torch"):
        monkeypatch.setitem(sys.modules, name, None)
    for action in (
        lambda: GaussianPosterior.load(path),
        lambda: posterior_of(mlp()).save(path),
    ):
        with pytest.raises(ImportError, match="pip install safetensors"):
            action()
    assert [p.name for p in tmp_path.iterdir()] == ["p.safetensors"]
    posterior_of(mlp()).save(tmp_path / "p.pt")
    GaussianPosterior.load(tmp_path / "p.pt")


def test_an_error_is_a_value_error():
    assert issubclass(PosteriorError, ValueError)
