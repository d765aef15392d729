"""Tests of `ui/views/launch/prefill.py`; the launch page's tests use it."""

import random
from contextlib import suppress

import pytest

from data import DATASETS
from data.uploads import keep
from tests.data.uploads.archives import arrays, classes, labelled, packed
from tests.data.writers import write_image_folder
from tests.ui.fakes import config
from trainers.catalogue import MODELS, OPTIMIZERS, TIMM_SUGGESTIONS
from trainers.config import (
    SCHEDULES,
    DatasetConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from trainers.presets import PRESETS
from trainers.saved import save_config
from ui.views.launch import page, prefill
from ui.views.launch.prefill import blank_values, widget_values
from ui.views.launch.presets import plan_values


def test_every_field_is_set_once_under_its_key():
    values = widget_values(config("fashion-mnist", "lenet5", "vogn", epochs=9))
    assert values["dataset"] == "fashion-mnist"
    assert values["model-image"] == "lenet5"
    assert values["epochs-fashion-mnist"] == 9
    assert values["ood-fashion-mnist"] == "auto"
    assert values["vogn-lr"] is None  # how a field shows "auto"
    assert {"name", "epochs", "ood"}.isdisjoint(values)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_hyperparameters_of_the_optimizer_are_set(name):
    values = widget_values(config("moons", optimizer=name))
    assert {f"{name}-{key}" for key in OPTIMIZERS[name].defaults()} <= set(values)
    assert values["model-points"] == "mlp"


def test_a_whole_share_is_still_a_number_with_decimals():
    content = config().to_dict()
    content["dataset"]["validation_fraction"] = 0
    share = widget_values(type(config()).from_dict(content))["validation_fraction"]
    assert isinstance(share, float)


@pytest.mark.parametrize("dataset", ["digits", "fashion-mnist", "moons"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_takes_a_clone_back_sets_each_of_its_fields_to_what_the_form_has(
    dataset, name
):
    chosen = config(dataset, optimizer=name, epochs=7, seed=3, batch_size=5)
    blank = blank_values(chosen)
    assert set(blank) == set(widget_values(chosen))
    assert (blank["seed"], blank["batch_size"]) == (0, 128)
    assert (blank["dataset"], blank["optimizer"]) == ("digits", "vogn")


def test_the_blank_form_is_the_one_that_a_visitor_finds(open_page):
    app = open_page("launch")
    for key, value in blank_values(config("digits", optimizer="vogn")).items():
        if key != "folder":  # asked for with one dataset only
            assert app.session_state[key] == value


def number(item, draw):
    """A value that a hyper-parameter takes."""
    if item.kind == "bool":
        return draw.random() < 0.5
    if item.kind == "choice":
        return draw.choice(item.choices)
    if item.automatic and draw.random() < 0.5:
        return "auto"
    low = max(item.minimum, 0) if item.minimum > -1e9 else 0
    high = min(item.maximum, low + draw.choice([1e-4, 1, 1000]))
    value = round(draw.uniform(low, high), draw.choice([3, 7]))
    return int(value) if item.kind == "int" else value


def anything(draw, own, tmp_path, *, listed=False):
    """A valid configuration of any kind; `listed`: of what the fields list."""
    while True:
        with suppress(ValueError):
            return drawn(draw, own, tmp_path, listed)


def drawn(draw, own, tmp_path, listed):
    """A configuration, if it is a valid one."""
    name = draw.choice([name for name, spec in DATASETS.items() if not spec.ood_only])
    models = [*MODELS, *TIMM_SUGGESTIONS[:3], *([] if listed else ["timm:resnet10t"])]
    model = draw.choice(models)
    begins = model.startswith("timm:") and draw.choice(["", "pretrained", "weights"])
    weights = str(tmp_path / "w.safetensors") if begins == "weights" else None
    spec = OPTIMIZERS[draw.choice(list(OPTIMIZERS))]
    epochs = draw.randint(1, 100_000)
    return RunConfig(
        dataset=DatasetConfig(
            name=name, folder=draw.choice(own) if name == "folder" else None,
            validation_fraction=draw.choice([0, 0.5, round(draw.random() / 2, 5)]),
            split_seed=draw.randint(0, 2**31 - 1),
        ),
        model=ModelConfig(
            name=model, pretrained=begins == "pretrained", weights=weights
        ),
        optimizer=OptimizerConfig(
            name=spec.name,
            hyperparameters={i.name: number(i, draw) for i in spec.hyperparameters},
        ),
        training=TrainingConfig(
            epochs=epochs, batch_size=draw.randint(1, 1_000_000),
            schedule=draw.choice(SCHEDULES), decay_power=draw.uniform(0, 100),
            decay_start=draw.choice([0, epochs / 3]),
            decay_end=draw.choice([0, epochs]),
            couple_momentum=draw.random() < 0.3, mixup=draw.uniform(0, 2),
            random_erasing=draw.choice([0, 0.25, 1]), label_smoothing=draw.random(),
            rescale_weights=draw.random() < 0.3, seed=draw.randint(0, 2**31 - 1),
            device=draw.choice(["auto", "cpu", "cuda" if listed else "cuda:11"]),
            log_interval=draw.randint(1, 1000), num_processes=draw.choice([1, 1, 3]),
        ),
        evaluation=EvaluationConfig(
            test_samples=draw.randint(1, 4096), validation_samples=draw.randint(1, 99),
            ood=draw.choice(["auto", "none", *DATASETS]),
        ),
    )  # fmt: skip


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Put images of one's own in each place that the form knows; name them."""
    monkeypatch.setenv("VOGN_CACHE", str(tmp_path / "cache"))
    write_image_folder(tmp_path / "pets")
    (tmp_path / "mine.npz").write_bytes(arrays(**labelled()).getvalue())
    (tmp_path / "w.safetensors").touch()
    uploaded = keep(packed(classes()), "up load.zip").path
    return [str(tmp_path / "pets"), str(tmp_path / "mine.npz"), str(uploaded)]


@pytest.fixture
def shown(monkeypatch):
    """Collect what the form describes, each time that the page is made."""
    seen = []
    # AppTest cannot go on where a field holds what it does not list; no need to.
    monkeypatch.setattr(page, "bar", lambda current: seen.append(current()))
    return seen


@pytest.mark.parametrize("seed", range(12))
def test_the_form_shows_any_configuration_as_it_is(
    open_page, own, shown, tmp_path, seed
):
    chosen = anything(random.Random(seed), own, tmp_path)
    save_config("before", chosen)
    app = open_page("launch", config="before")
    assert not app.exception
    assert shown[-1] == chosen


def test_one_configuration_after_another_leaves_nothing_behind(
    open_page, own, shown, tmp_path
):
    draw = random.Random(99)
    app = open_page("launch")
    first = shown[-1]
    for number in range(8):
        chosen = anything(draw, own, tmp_path, listed=True)
        save_config(f"c{number}", chosen)
        app.query_params["config"] = f"c{number}"
        app.run()
        assert shown[-1] == chosen
    app.button(key="defaults").click().run()
    assert shown[-1] == first


class Interrupted(Exception):
    """What ends a script in favour of another one."""


class Session(dict):
    """A session at whose touch number `last` the script ends, once."""

    last = 0

    def touch(self):
        self.last -= 1
        if self.last == 0:
            raise Interrupted

    def get(self, key, default=None):
        self.touch()
        return super().get(key, default)

    def __setitem__(self, key, value):
        self.touch()
        super().__setitem__(key, value)

    def update(self, values):
        for key, value in values.items():
            self[key] = value


@pytest.mark.parametrize("last", [1, 2, 3, 9, 20])
def test_a_script_that_is_interrupted_leaves_the_rest_to_the_next(monkeypatch, last):
    session = Session()
    monkeypatch.setattr(prefill.st, "session_state", session)
    monkeypatch.setattr(prefill.st, "query_params", {"preset": next(iter(PRESETS))})
    monkeypatch.setattr(prefill, "_told", lambda source, name: None)
    session.last = last
    with pytest.raises(Interrupted):
        prefill.prefill()
    prefill.prefill()
    preset = next(iter(PRESETS.values()))
    expected = widget_values(preset.config) | plan_values(preset)
    assert {key: session[key] for key in expected} == expected
    session["epochs-digits"] = 77  # what a person types later stays
    filled = dict(session)
    prefill.prefill()
    assert session == filled
