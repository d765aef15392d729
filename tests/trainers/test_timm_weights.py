"""Tests of weights that were trained elsewhere."""

import shutil
import subprocess

import pytest
import timm
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from torch import nn

from data import DatasetError
from tests.trainers.examples import command_line, run_of
from trainers import timm_weights
from trainers.__main__ import main
from trainers.config import ModelConfig
from trainers.models import build_model
from trainers.runs import Run, load_config, read_metrics
from trainers.session import train_run
from trainers.timm_weights import begin_trained
from trainers.trained import load_trained


def weights_of(name, path, **options):
    """Write genuine weights of a network of timm, and return them and their file."""
    torch.manual_seed(5)
    network = timm.create_model(name, **options)
    save_file(network.state_dict(), path)
    return network.state_dict(), path


def begun(name, shape, classes, file, seed=0):
    torch.manual_seed(seed)
    model = build_model(f"timm:{name}", shape, classes)
    fresh = {key: value.clone() for key, value in model.state_dict().items()}
    chosen = ModelConfig(name=f"timm:{name}", weights=str(file))
    model.load_state_dict(begin_trained(chosen, model, shape))
    return model, fresh


def test_weights_of_a_file_are_the_networks_and_its_head_is_new(tmp_path):
    saved, file = weights_of("test_efficientnet", tmp_path / "w.safetensors")
    model, fresh = begun("test_efficientnet", (3, 32, 32), 10, file)
    for key, value in model.state_dict().items():
        expected = fresh[key] if key.startswith("classifier.") else saved[key]
        assert torch.equal(value, expected), key


def test_the_head_is_new_for_as_many_classes_too(tmp_path):
    saved, file = weights_of("test_efficientnet", tmp_path / "w.safetensors")
    model, fresh = begun("test_efficientnet", (3, 32, 32), 1000, file)
    key = "classifier.weight"
    assert torch.equal(model.state_dict()[key], fresh[key])
    assert not torch.equal(saved[key], fresh[key])


def test_grey_and_small_images_get_the_same_weights(tmp_path):
    saved, file = weights_of("test_efficientnet", tmp_path / "w.safetensors")
    model, _ = begun("test_efficientnet", (1, 28, 28), 10, file)
    state = model.state_dict()  # the network comes second, behind what scales images
    torch.testing.assert_close(
        state["1.conv_stem.weight"], saved["conv_stem.weight"].sum(1, keepdim=True)
    )
    key = "blocks.0.0.conv.weight"
    assert torch.equal(state[f"1.{key}"], saved[key])


def test_a_vision_transformer_is_resized_with_its_positions(tmp_path):
    saved, file = weights_of("test_vit", tmp_path / "w.safetensors")
    model, _ = begun("test_vit", (3, 32, 32), 10, file)
    state = model.state_dict()
    assert saved["pos_embed"].shape[1] > state["pos_embed"].shape[1]
    key = "blocks.0.attn.qkv.weight"
    assert torch.equal(state[key], saved[key])


def test_the_first_convolution_sees_what_it_saw_in_pretraining(tmp_path):
    saved, file = weights_of("test_vit", tmp_path / "w.safetensors")
    model, _ = begun("test_vit", (3, 160, 160), 10, file)
    images = torch.rand(2, 3, 160, 160)  # as on disk, from 0 to 1
    shape = (1, 3, 1, 1)
    mean = torch.tensor((0.485, 0.456, 0.406)).reshape(shape)
    std = torch.tensor((0.229, 0.224, 0.225)).reshape(shape)
    own = nn.functional.conv2d(
        (images - 0.5) / 0.5, saved["patch_embed.proj.weight"], stride=16
    )
    ours = nn.functional.conv2d(
        (images - mean) / std, model.state_dict()["patch_embed.proj.weight"], stride=16
    )
    # They differ by what the shift of the mean amounts to, the same everywhere.
    difference = ours - own
    assert difference.std(dim=(0, 2, 3)).max() < 1e-5


def test_the_generator_is_where_fresh_weights_leave_it(tmp_path):
    _, file = weights_of("test_efficientnet", tmp_path / "w.safetensors")
    torch.manual_seed(0)
    model = build_model("timm:test_efficientnet", (3, 32, 32), 10)
    state = torch.get_rng_state()
    begin_trained(
        ModelConfig(name="timm:test_efficientnet", weights=str(file)),
        model, (3, 32, 32),
    )  # fmt: skip
    assert torch.equal(torch.get_rng_state(), state)


def test_a_file_of_another_network_is_refused(tmp_path):
    _, file = weights_of("test_vit", tmp_path / "w.safetensors")
    with pytest.raises(
        DatasetError,
        match=r"does not hold weights of timm:test_efficientnet: .*Missing",
    ):
        begun("test_efficientnet", (3, 32, 32), 10, file)


def test_a_file_that_lacks_a_layer_is_refused(tmp_path):
    saved, file = weights_of("test_efficientnet", tmp_path / "w.safetensors")
    save_file({k: v for k, v in saved.items() if k != "blocks.0.0.conv.weight"}, file)
    with pytest.raises(DatasetError, match=r"Missing key.*blocks\.0\.0\.conv\.weight"):
        begun("test_efficientnet", (3, 32, 32), 10, file)


def test_files_that_are_damaged_or_not_there_are_named(tmp_path):
    file = tmp_path / "w.safetensors"
    with pytest.raises(DatasetError, match=f"weights {file} do not exist"):
        begun("test_efficientnet", (3, 32, 32), 10, file)
    file.write_bytes(b"no weights")
    with pytest.raises(DatasetError, match=f"weights {file} cannot be read as .safe"):
        begun("test_efficientnet", (3, 32, 32), 10, file)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that has the weights of one network, and a list of what it was asked."""
    weights_of("test_efficientnet", tmp_path / "hub.safetensors")
    asked = []

    def download(name, file):
        asked.append((name, file))
        return str(tmp_path / "hub.safetensors")

    monkeypatch.setattr(timm_weights, "hf_hub_download", download)
    return asked


IMAGES = {
    "dataset": "digits",
    "model": {"name": "timm:test_efficientnet", "pretrained": True},
    "optimizer": "adamw",
    "training": {"epochs": 1, "batch_size": 500, "device": "cpu"},
}


def test_a_run_downloads_once_and_is_loaded_without(tmp_path, hub, monkeypatch):
    run = run_of(tmp_path / "run", **IMAGES)
    status = train_run(run, show_bar=False)
    assert status.state == "finished", status.message
    assert hub == [("timm/test_efficientnet.r160_in1k", "model.safetensors")]

    def unreachable(name, file):
        raise AssertionError("downloaded again")

    monkeypatch.setattr(timm_weights, "hf_hub_download", unreachable)
    trained = load_trained(run)
    assert trained.config == load_config(run)
    # And one that goes on takes its weights from the checkpoint.
    (run.path / "status.json").unlink()
    assert train_run(run, show_bar=False).state == "finished"


def test_the_first_step_begins_with_the_downloaded_weights(tmp_path, hub):
    chosen = ModelConfig(name="timm:test_efficientnet", pretrained=True)
    model = build_model(chosen.name, (3, 32, 32), 10)
    state = begin_trained(chosen, model, (3, 32, 32))
    saved = load_file(tmp_path / "hub.safetensors")
    assert torch.equal(state["conv_stem.weight"], saved["conv_stem.weight"])


def test_a_file_goes_before_a_download(tmp_path, hub):
    file = tmp_path / "mine.safetensors"
    shutil.copy(tmp_path / "hub.safetensors", file)
    chosen = ModelConfig(
        name="timm:test_efficientnet", pretrained=True, weights=str(file)
    )
    model = build_model(chosen.name, (3, 32, 32), 10)
    begin_trained(chosen, model, (3, 32, 32))
    assert hub == []


@pytest.mark.parametrize(
    "error", [LocalEntryNotFoundError("no network"), OSError("disk")]
)
def test_without_a_network_the_run_fails_at_once_and_tells_the_way_out(
    tmp_path, monkeypatch, error
):
    def offline(name, file):
        raise error

    monkeypatch.setattr(timm_weights, "hf_hub_download", offline)
    run = run_of(tmp_path / "run", **IMAGES)
    status = train_run(run, show_bar=False)
    assert (status.state, status.error_class) == ("failed", "data")
    assert "weights of timm:test_efficientnet (model.safetensors of " in status.message
    assert "--weights FILE" in status.message
    assert str(error) in status.message
    assert status.step == 0


def test_a_hub_without_the_file_is_a_matter_of_configuration(tmp_path, monkeypatch):
    def empty(name, file):
        raise EntryNotFoundError("404")

    monkeypatch.setattr(timm_weights, "hf_hub_download", empty)
    run = run_of(tmp_path / "run", **IMAGES)
    status = train_run(run, show_bar=False)
    assert (status.state, status.error_class) == ("failed", "configuration")
    assert "of which timm has no .safetensors weights" in status.message


def test_a_network_without_weights_is_told_before_anything_is_asked(hub):
    chosen = ModelConfig(name="timm:test_mambaout", pretrained=True)
    model = build_model(chosen.name, (3, 32, 32), 10)
    with pytest.raises(ValueError, match="'timm:test_mambaout', of which timm has no"):
        begin_trained(chosen, model, (3, 32, 32))
    assert hub == []


def test_ranks_begin_alike(tmp_path):
    _, file = weights_of("test_vit", tmp_path / "w.safetensors")
    losses = []
    for processes in (1, 2):
        run = tmp_path / f"run{processes}"
        # Without noise two ranks compute what one does, if both begin with the same.
        words = command_line(
            "run", "--dataset", "digits", "--model", "timm:test_vit", "--weights", file,
            "--optimizer", "vogn", "--sampled", "false", "--epochs", 1, "--batch-size",
            200, "--log-interval", 1, "--num-processes", processes, "--run-dir", run,
            "--device", "cpu", "--ood", "none",
        )  # fmt: skip
        if processes == 1:
            assert main([str(word) for word in words[3:]]) == 0
        else:
            subprocess.run(words, check=True, capture_output=True)
        rows, _ = read_metrics(Run(run))
        losses.append([row["train_loss"] for row in rows])
    assert len(losses[0]) > 5
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
