"""What wandb writes offline, read back record by record."""

import json
import signal
import struct

import psutil
import pytest

from tests.trainers.examples import wait_for
from tests.trainers.mirrors.examples import (
    STARTED,
    a_run,
    append,
    epoch_row,
    evaluate,
    fake,
    following,
    memory_of,
    mirror,
    set_state,
    step_row,
    ten_steps,
)
from trainers.mirrors.memory import recall

wandb = pytest.importorskip("wandb")

BLOCK, IDENT = 32768, 7  # bytes of a block of the log, and of what precedes the first
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path):
    """Decode a .wandb file: a log of LevelDB's format, of protobuf records."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, parts = path.read_bytes(), IDENT, b""
    assert content.startswith(b":W&B")
    while position + 7 <= len(content):
        if BLOCK - position % BLOCK < 7:
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        position += 7
        if position + length > len(content):
            return  # it is being written
        parts += content[position : position + length]
        position += length
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def files(run):
    return sorted((run.path / "mirrors" / "wandb").glob("offline-run-*/*.wandb"))


def decoded(items):
    return {
        item.key or ".".join(item.nested_key): json.loads(item.value_json)
        for item in items
    }


def history(path):
    rows = [r.history.item for r in records(path) if r.HasField("history")]
    return [
        {k: v for k, v in decoded(row).items() if not k.startswith("_")} for row in rows
    ]


def exit_code(path):
    return [r.exit.exit_code for r in records(path) if r.HasField("exit")]


def run_records(path):
    return [r.run for r in records(path) if r.HasField("run")]


def test_a_whole_run_is_read_back(tmp_path):
    run = a_run(tmp_path / "run", rows=ten_steps())
    evaluate(run)
    done = mirror(run, "wandb")
    assert done.returncode == 0, done.stderr
    (path,) = files(run)
    *step_rows, last = history(path)
    losses = [{"step": s, "train_loss": 1 / s} for s in range(1, 11)]
    assert [{k: row[k] for k in ("step", "train_loss")} for row in step_rows] == losses
    assert last == {
        "step": 10, "epoch": 1, "seconds": 2.5,
        "epoch/train_loss": 0.6, "epoch/validation_nll": 0.4,
    }  # fmt: skip
    begun, *_, ended = run_records(path)
    assert (begun.run_id, begun.display_name) == (
        memory_of(run, "wandb")["tracker_id"],
        "run",
    )
    assert begun.project == "vogn-app"
    config = decoded(begun.config.update)
    assert config["optimizer.name"] == "vogn"
    assert config["training.batch_size"] == 100
    assert list(ended.tags) == ["finished"]
    summary = {}
    for record in records(path):
        if record.HasField("summary"):
            summary |= decoded(record.summary.update)
    assert summary["test/accuracy"] == 0.75
    assert summary["ood/digits/fpr95"] == 0.2
    assert exit_code(path) == [0]
    # Nothing of the mirror's own process is noted.
    kinds = {record.WhichOneof("record_type") for record in records(path)}
    assert not kinds & {"environment", "stats", "output", "output_raw"}


def test_a_resumed_run_goes_on_under_the_same_id(tmp_path):
    run = a_run(tmp_path / "run", "stopped", [step_row(1), step_row(2)])
    assert mirror(run, "wandb").returncode == 0
    (first,) = files(run)
    append(run, epoch_row(2, 1), step_row(3))
    set_state(run, "failed", ended=STARTED + 70)
    assert mirror(run, "wandb", WANDB_PROJECT="mine").returncode == 0
    (second,) = set(files(run)) - {first}
    assert run_records(first)[0].run_id == run_records(second)[0].run_id
    assert run_records(second)[0].project == "mine"
    assert [row["step"] for row in history(first)] == [1, 2]
    assert [row["step"] for row in history(second)] == [2, 3]
    assert (exit_code(first), exit_code(second)) == ([130], [1])
    assert list(run_records(second)[-1].tags) == ["failed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_mirror_that_is_ended_leaves_what_it_took(tmp_path, number):
    run = a_run(tmp_path / "run", "running", ten_steps())
    with following(run, "wandb") as process:
        wait_for(lambda: recall(run, "wandb").kind == "epoch")
        wait_for(lambda: len(history(*files(run))) == 11, 5.0)
        writer = psutil.Process(process.pid).children()
        process.send_signal(number)
        process.communicate(timeout=30)
        assert not psutil.wait_procs(writer, timeout=30)[1]
    assert process.returncode == (0 if number == signal.SIGTERM else -number)
    assert len(history(*files(run))) == 11


def test_the_user_s_mode_is_left_alone(tmp_path):
    run = a_run(tmp_path / "run", rows=ten_steps())
    assert mirror(run, "wandb", WANDB_MODE="disabled").returncode == 0
    assert files(run) == []
    assert memory_of(run, "wandb")["step"] == 10


def test_offline_is_the_default_of_a_wandb_that_would_call(tmp_path):
    source = "import os; raise ConnectionError(os.environ['WANDB_MODE'])"
    folder = fake(tmp_path / "fakes", "wandb", source)
    run = a_run(tmp_path / "run", rows=ten_steps())
    for mode, used in (("", "offline"), ("online", "online")):
        done = mirror(run, "wandb", path=[folder], WANDB_MODE=mode)
        assert done.returncode == 1
        assert f"mirror 'wandb' failed: ConnectionError: {used}" in done.stderr
