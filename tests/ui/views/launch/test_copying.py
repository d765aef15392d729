"""Tests of `ui/views/launch/copying.py`; the launch page's tests use it."""

import json

from streamlit.testing.v1 import AppTest

from tests.ui.fakes import config
from tests.ui.seen import text
from trainers.config import RunConfig, command_line


def _page(kind: str) -> None:
    from tests.ui.fakes import config
    from trainers.config import OptimizerConfig, RunConfig
    from ui.views.launch.copying import copies
    from ui.views.launch.plans import Plan

    base = config()
    own = OptimizerConfig(name="vogn", hyperparameters={"momentum": 0.5})
    base = RunConfig(dataset=base.dataset, model=base.model, optimizer=own)
    typed = {"optimizer": ["vogn", "sgd"]} if kind == "race" else {}
    plan = Plan(kind=kind, typed=typed, made_up="s1")
    copies(base, plan.configs(base), plan, 3)


def page(kind):
    app = AppTest.from_function(_page, args=(kind,), default_timeout=30).run()
    assert not app.exception
    return app


def test_one_run_is_a_command_and_a_configuration():
    app = page("one")
    words = app.code[0].value.replace("\\\n", "").split()
    found = RunConfig.from_dict(json.loads(app.code[1].value))
    assert words == command_line(found).split()
    assert found.optimizer.hyperparameters["momentum"] == 0.5
    assert found.dataset == config().dataset
    assert "run --config config.json" in text(app)


def test_where_no_command_does_it_there_is_one_for_each():
    app = page("race")
    first, second = app.code[0].value.splitlines()
    assert "--optimizer vogn --momentum 0.5 --group s1 --priority 3" in first
    assert "--optimizer sgd" in second
    assert "momentum" not in second
    assert "these 2 commands do the same" in text(app)
