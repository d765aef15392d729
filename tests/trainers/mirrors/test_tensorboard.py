"""What TensorBoard's own reader finds in the event files."""

import json
import subprocess
import sys

import pytest

from tests.trainers.mirrors.examples import (
    NAN,
    STARTED,
    Script,
    a_run,
    append,
    environment,
    epoch_row,
    evaluate,
    memory_of,
    mirror,
    set_state,
    step_row,
    ten_steps,
)
from trainers.mirrors.follow import follow
from trainers.mirrors.tensorboard import TensorBoardMirror

pytest.importorskip("tensorboard")


def read_back(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.path / "mirrors" / "tensorboard"))
    return events.Reload()


def scalars(run, tag):
    return [(event.step, event.value) for event in read_back(run).Scalars(tag)]


def test_a_whole_run_is_read_back(tmp_path):
    run = a_run(tmp_path / "run", rows=ten_steps())
    evaluate(run)
    assert mirror(run, "tensorboard").returncode == 0
    events = read_back(run)
    assert set(events.Tags()["scalars"]) == {
        "train_loss", "lr", "epoch/train_loss", "epoch/validation_nll",
        "test/accuracy", "test/nll", "ood/digits/auroc", "ood/digits/fpr95",
    }  # fmt: skip
    losses = events.Scalars("train_loss")
    assert [event.step for event in losses] == list(range(1, 11))
    assert [event.value for event in losses] == pytest.approx([
        1 / step for step in range(1, 11)
    ])
    assert [event.wall_time for event in losses] == pytest.approx([
        STARTED + step / 4 for step in range(1, 11)
    ])
    assert scalars(run, "epoch/train_loss") == [(10, pytest.approx(0.6))]
    assert scalars(run, "test/accuracy") == [(10, 0.75)]
    (state,) = events.Tensors("state")
    assert list(state.tensor_proto.string_val) == [b"finished"]
    assert memory_of(run, "tensorboard")["step"] == 10


def test_the_configuration_is_there_as_hyper_parameters(tmp_path):
    from tensorboard.plugins.hparams import api_pb2, metadata

    run = a_run(tmp_path / "run", "failed")
    assert mirror(run, "tensorboard").returncode == 0
    known = read_back(run).summary_metadata
    start = metadata.parse_session_start_info_plugin_data(
        known[metadata.SESSION_START_INFO_TAG].plugin_data.content
    )
    assert start.hparams["optimizer.name"].string_value == "vogn"
    assert start.hparams["training.batch_size"].number_value == 100
    assert start.group_name == run.id
    end = metadata.parse_session_end_info_plugin_data(
        known[metadata.SESSION_END_INFO_TAG].plugin_data.content
    )
    assert end.status == api_pb2.STATUS_FAILURE


def test_values_are_on_disk_while_the_run_lives(tmp_path):
    run = a_run(tmp_path / "run", "running", [step_row(1), step_row(2, loss=NAN)])
    seen = []
    story = Script(lambda: seen.append(scalars(run, "train_loss")))
    story.actions.append(story.ask)
    follow(run, "tensorboard", TensorBoardMirror(run), story)
    assert seen == [[(1, 0.5)]]
    assert [step for step, _ in scalars(run, "lr")] == [1, 2]


def test_a_resumed_run_is_one_curve_over_two_files(tmp_path):
    run = a_run(tmp_path / "run", "stopped", [step_row(1), step_row(2)])
    follow(run, "tensorboard", TensorBoardMirror(run), Script())
    append(run, step_row(3), epoch_row(3, 1))
    set_state(run, "finished", message="Finished.", ended=STARTED + 70)
    follow(run, "tensorboard", TensorBoardMirror(run), Script())
    assert len(list((run.path / "mirrors" / "tensorboard").iterdir())) == 2
    assert [step for step, _ in scalars(run, "train_loss")] == [1, 2, 3]
    texts = [
        each.tensor_proto.string_val[0] for each in read_back(run).Tensors("state")
    ]
    assert texts == [b"stopped", b"finished: Finished."]


def test_it_writes_without_torch_and_tensorflow(tmp_path):
    run = a_run(tmp_path / "run", rows=ten_steps())
    code = (
        "import json, sys\nfrom trainers.mirrors.__main__ import main\n"
        f"code = main([{str(run.path)!r}, 'tensorboard'])\n"
        "print(json.dumps([code, *sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(tmp_path), check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    code, *loaded = json.loads(done.stdout)
    assert code == 0
    assert "tensorboard.summary.writer.record_writer" in loaded
    assert not {"torch", "tensorflow"} & set(loaded)
