"""TensorBoard: event files in `mirrors/tensorboard` of the run.

Written with the light `tensorboard` package's own record writer and messages; neither
torch nor TensorFlow is imported, and there is no thread that could fail unseen.
"""

import os
import socket
from collections.abc import Sequence
from importlib import import_module
from time import time_ns
from typing import Any, final

from trainers.mirrors.memory import folder_of
from trainers.mirrors.mirror import Beginning, Ending, Mirror, Row
from trainers.runs import Run
from trainers.status import FINISHED


@final
class TensorBoardMirror(Mirror):
    """Writes scalars, the configuration as hyper-parameters, and the end as a text.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._folder = folder_of(run) / "tensorboard"
        self._writer: Any = None

    def start(self, beginning: Beginning) -> str:
        """Open an event file; TensorBoard reads those of a folder one after another."""
        records = import_module("tensorboard.summary.writer.record_writer")
        self._events = import_module("tensorboard.compat.proto.event_pb2")
        self._summaries = import_module("tensorboard.compat.proto.summary_pb2")
        self._folder.mkdir(exist_ok=True)
        # The name decides the order, and a second may see two files.
        name = f"{time_ns():020d}.{socket.gethostname()}.{os.getpid()}"
        path = self._folder / f"events.out.tfevents.{name}"
        self._writer = records.RecordWriter(path.open("xb"))
        self._write(beginning.time, file_version="brain.Event:2")
        if beginning.known is None:
            hparams = import_module("tensorboard.plugins.hparams.summary_v2")
            summary = hparams.hparams_pb(
                beginning.parameters, self._run.id, beginning.time
            )
            self._write(beginning.time, summary=summary)
        self._writer.flush()
        return self._run.id

    def log(self, rows: Sequence[Row]) -> None:
        """Write the rows' scalars."""
        for row in rows:
            self._write_scalars(row.time, row.step, row.values)
        self._writer.flush()

    def finish(self, ending: Ending) -> None:
        """Write the headline metrics, the state and how the session ended."""
        if ending.values:
            self._write_scalars(ending.time, ending.step, ending.values)
        text = f"{ending.state}: {ending.message}" if ending.message else ending.state
        for summary in (self._text("state", text), self._session_end(ending)):
            self._write(ending.time, step=ending.step, summary=summary)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, time: float, **content: Any) -> None:
        event = self._events.Event(wall_time=time, **content)
        self._writer.write(event.SerializeToString())

    def _write_scalars(self, time: float, step: int, values: dict[str, float]) -> None:
        kind = self._summaries.Summary.Value
        each = [kind(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(time, step=step, summary=self._summaries.Summary(value=each))

    def _text(self, tag: str, text: str) -> Any:
        metadata = import_module("tensorboard.plugins.text.metadata")
        tensors = import_module("tensorboard.util.tensor_util")
        value = self._summaries.Summary.Value(
            tag=tag,
            metadata=metadata.create_summary_metadata(tag, ""),
            tensor=tensors.make_tensor_proto([text.encode()]),
        )
        return self._summaries.Summary(value=[value])

    def _session_end(self, ending: Ending) -> Any:
        states = import_module("tensorboard.plugins.hparams.api_pb2")
        messages = import_module("tensorboard.plugins.hparams.plugin_data_pb2")
        metadata = import_module("tensorboard.plugins.hparams.metadata")
        success = ending.state == FINISHED
        info = messages.SessionEndInfo(
            status=states.STATUS_SUCCESS if success else states.STATUS_FAILURE,
            end_time_secs=ending.time,
        )
        content = messages.HParamsPluginData(session_end_info=info)
        value = self._summaries.Summary.Value(
            tag=metadata.SESSION_END_INFO_TAG,
            metadata=metadata.create_summary_metadata(content),
            tensor=metadata.NULL_TENSOR,
        )
        return self._summaries.Summary(value=[value])
