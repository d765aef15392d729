"""MLflow: a run at the tracking server, database or folder that MLflow is set to.

`MLFLOW_TRACKING_URI` and the like are read by MLflow itself; the experiment is
`MLFLOW_EXPERIMENT_NAME`, else "vogn-app". Works with `mlflow-skinny`.
"""

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any, final

from trainers.mirrors.memory import forgotten
from trainers.mirrors.mirror import Beginning, Ending, Mirror, Row
from trainers.runs import Run
from trainers.status import FAILED, FINISHED, LOST, STOPPED

EXPERIMENT = "vogn-app"
STATES = {FINISHED: "FINISHED", STOPPED: "KILLED", FAILED: "FAILED", LOST: "FAILED"}
# What the tracking protocol takes in one request.
MAX_METRICS, MAX_PARAMETERS = 1000, 100


@final
class MlflowMirror(Mirror):
    """Sends metrics in batches, the configuration as parameters, and the end.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def start(self, beginning: Beginning) -> str:
        """Create a run, or open the known one again.

        Raises:
            RunError: If MLflow does not have the known run.
        """
        # A mirror talks to its user's server and to nobody else.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._mlflow = import_module("mlflow")
        self._client = self._mlflow.MlflowClient()
        if beginning.known is None:
            self._id = self._create(beginning)
        else:
            self._id = beginning.known
            self._reopen()
        return self._id

    def log(self, rows: Sequence[Row]) -> None:
        """Send the rows' values in as few requests as may be."""
        metric = self._mlflow.entities.Metric
        self._send([
            metric(key, value, _milliseconds(row.time), row.step)
            for row in rows
            for key, value in row.values.items()
        ])

    def finish(self, ending: Ending) -> None:
        """Send the headline metrics and the state."""
        moment, entities = _milliseconds(ending.time), self._mlflow.entities
        self._send([
            entities.Metric(key, value, moment, ending.step)
            for key, value in ending.values.items()
        ])
        tags = {"vogn_app.state": ending.state, "vogn_app.message": ending.message}
        each = [entities.RunTag(key, value) for key, value in tags.items()]
        self._client.log_batch(self._id, tags=each)
        self._client.set_terminated(self._id, STATES[ending.state], moment)

    def close(self) -> None:
        """Nothing is held: each request stands alone."""

    def _create(self, beginning: Beginning) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        created = self._client.create_run(
            self._mlflow.set_experiment(name).experiment_id,
            start_time=_milliseconds(beginning.time),
            tags={"vogn_app.run": self._run.id},
            run_name=self._run.id,
        )
        found = str(created.info.run_id)
        param = self._mlflow.entities.Param
        params = [param(k, str(v)) for k, v in beginning.parameters.items()]
        for start in range(0, len(params), MAX_PARAMETERS):
            part = params[start : start + MAX_PARAMETERS]
            self._client.log_batch(found, params=part)
        return found

    def _reopen(self) -> None:
        try:
            self._client.update_run(self._id, status="RUNNING")
        except self._mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise forgotten(self._run, "mlflow", self._id) from None

    def _send(self, metrics: list[Any]) -> None:
        for start in range(0, len(metrics), MAX_METRICS):
            part = metrics[start : start + MAX_METRICS]
            self._client.log_batch(self._id, metrics=part)


def _milliseconds(moment: float) -> int:
    return round(1000 * moment)
