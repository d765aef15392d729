"""What MLflow finds in its own store, and what goes over the wire to a server."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.trainers.mirrors.examples import (
    STARTED,
    a_run,
    append,
    epoch_row,
    evaluate,
    fake,
    memory_of,
    mirror,
    set_state,
    step_row,
    ten_steps,
)

mlflow = pytest.importorskip("mlflow")


@pytest.fixture
def store(tmp_path):
    """Variables of a file store, which newer versions want to be asked for twice."""
    uri = (tmp_path / "mlruns").as_uri()
    return {"MLFLOW_TRACKING_URI": uri, "MLFLOW_ALLOW_FILE_STORE": "true"}


@pytest.fixture
def client(store, monkeypatch):
    for name, value in {**store, "MLFLOW_DISABLE_TELEMETRY": "true"}.items():
        monkeypatch.setenv(name, value)
    return mlflow.MlflowClient(store["MLFLOW_TRACKING_URI"])


def history(client, found, key):
    metrics = client.get_metric_history(found, key)
    return [(metric.step, metric.value) for metric in metrics]


def test_a_whole_run_is_read_back(tmp_path, store, client):
    run = a_run(tmp_path / "run", rows=ten_steps())
    evaluate(run)
    done = mirror(run, "mlflow", **store)
    assert done.returncode == 0, done.stderr
    experiment = client.get_experiment_by_name("vogn-app")
    (tracked,) = client.search_runs([experiment.experiment_id])
    found = tracked.info.run_id
    assert memory_of(run, "mlflow")["tracker_id"] == found
    assert (tracked.info.status, tracked.info.run_name) == ("FINISHED", "run")
    assert tracked.info.start_time == 1000 * STARTED
    assert tracked.info.end_time == 1000 * (STARTED + 60)
    assert tracked.data.params["dataset.name"] == "moons"
    assert tracked.data.params["optimizer.hyperparameters.lr"]
    assert tracked.data.tags["vogn_app.state"] == "finished"
    assert tracked.data.tags["vogn_app.run"] == "run"
    losses = [(step, 1 / step) for step in range(1, 11)]
    assert history(client, found, "train_loss") == losses
    assert history(client, found, "epoch/train_loss") == [(10, 0.6)]
    assert tracked.data.metrics["test/nll"] == 0.5
    assert tracked.data.metrics["ood/digits/auroc"] == 0.9
    assert "test/brier" not in tracked.data.metrics


def test_a_resumed_run_goes_on_in_the_same_run(tmp_path, store, client):
    run = a_run(tmp_path / "run", "stopped", [step_row(1), step_row(2)])
    store["MLFLOW_EXPERIMENT_NAME"] = "mine"
    assert mirror(run, "mlflow", **store).returncode == 0
    experiment = client.get_experiment_by_name("mine").experiment_id
    (stopped,) = client.search_runs([experiment])
    assert stopped.info.status == "KILLED"
    append(run, step_row(3), epoch_row(3, 1))
    set_state(run, "failed", ended=STARTED + 70, message="It diverged.")
    assert mirror(run, "mlflow", **store).returncode == 0
    (failed,) = client.search_runs([experiment])
    assert failed.info.run_id == stopped.info.run_id
    assert failed.info.status == "FAILED"
    assert failed.data.tags["vogn_app.message"] == "It diverged."
    found = failed.info.run_id
    assert history(client, found, "train_loss") == [(1, 0.5), (2, 0.5), (3, 0.5)]


def test_a_run_that_mlflow_lost_is_named_with_a_remedy(tmp_path, store):
    run = a_run(tmp_path / "run", "stopped", [step_row(1)])
    assert mirror(run, "mlflow", **store).returncode == 0
    set_state(run, "finished", ended=STARTED + 70)
    other = {**store, "MLFLOW_TRACKING_URI": (tmp_path / "elsewhere").as_uri()}
    done = mirror(run, "mlflow", **other)
    assert done.returncode == 1
    assert "mirror 'mlflow' failed: mlflow has no run" in done.stderr
    assert "Traceback" not in done.stderr


def test_mlflow_s_own_reports_are_off_unless_wanted(tmp_path):
    source = "import os; raise ValueError(os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    path = [fake(tmp_path / "fakes", "mlflow", source)]
    run = a_run(tmp_path / "run", rows=ten_steps())
    assert "ValueError: true" in mirror(run, "mlflow", path=path).stderr
    wanted = {"MLFLOW_DISABLE_TELEMETRY": "false"}
    assert "ValueError: false" in mirror(run, "mlflow", path=path, **wanted).stderr


class SlowServer(ThreadingHTTPServer):
    """The few calls of MLflow's tracking protocol that a mirror makes."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls, self.delay = [], 0.1

    @property
    def uri(self):
        return f"http://127.0.0.1:{self.server_port}"

    def bodies(self, path):
        return [body for called, body in self.calls if called == path]


INFO = {
    "run_id": "r1", "run_uuid": "r1", "experiment_id": "1", "status": "RUNNING",
    "lifecycle_stage": "active", "artifact_uri": "",
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    def answer(self, content, status=200):
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        path = self.path.partition("?")[0].rpartition("mlflow/")[2]
        self.server.calls.append((path, None))
        if path == "experiments/get-by-name":
            stage = {"lifecycle_stage": "active"}
            return self.answer({"experiment": {"experiment_id": "1", **stage}})
        if path == "runs/get":
            return self.answer({"run": {"info": INFO, "data": {}}})
        return self.answer({"error_code": "ENDPOINT_NOT_FOUND"}, 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.rpartition("mlflow/")[2]
        self.server.calls.append((path, body))
        time.sleep(self.server.delay)
        if path == "runs/create":
            return self.answer({"run": {"info": INFO, "data": {}}})
        return self.answer({"run_info": INFO} if path == "runs/update" else {})

    def log_message(self, *words):
        pass


@pytest.fixture
def server():
    with SlowServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_slow_server_gets_few_requests(tmp_path, server):
    rows = [step_row(step) for step in range(1, 1001)]
    run = a_run(tmp_path / "run", rows=rows)
    done = mirror(run, "mlflow", MLFLOW_TRACKING_URI=server.uri)
    assert done.returncode == 0, done.stderr
    batches = [
        body["metrics"] for body in server.bodies("runs/log-batch") if "metrics" in body
    ]
    assert len(batches) == 5  # of 200 rows, each of two values
    sent = [(metric["key"], metric["step"]) for part in batches for metric in part]
    assert len(sent) == len(set(sent)) == 2000
    (end,) = server.bodies("runs/update")
    assert (end["status"], end["end_time"]) == ("FINISHED", 1000 * (STARTED + 60))


def test_a_server_that_is_away_fails_the_mirror_and_costs_no_row(tmp_path, server):
    run = a_run(tmp_path / "run", rows=ten_steps())
    away = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
    done = mirror(run, "mlflow", MLFLOW_TRACKING_URI="http://127.0.0.1:9", **away)
    assert done.returncode == 1
    assert "mirror 'mlflow' failed: " in done.stderr.splitlines()[-1]
    assert mirror(run, "mlflow", MLFLOW_TRACKING_URI=server.uri).returncode == 0
    (batch,) = [b for b in server.bodies("runs/log-batch") if "metrics" in b]
    assert len(batch["metrics"]) == 22
