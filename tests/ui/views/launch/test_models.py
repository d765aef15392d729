"""Tests of `ui/views/launch/models.py`."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.seen import text
from ui.views.launch.models import FINE_TUNING, meant, model_title, whole_weights


def _page(dataset_name: str) -> None:
    import streamlit as st

    from ui.views.launch.models import model

    st.session_state["answer"] = model(dataset_name)


def page(dataset="digits", chosen=""):
    app = AppTest.from_function(_page, args=(dataset,), default_timeout=30)
    if chosen:
        app.session_state["model-image"] = chosen
    app.run()
    assert not app.exception
    return app


def test_models_of_timm_are_shown_with_their_size_and_name():
    assert model_title("lenet5") == "LeNet-5"
    assert model_title("timm:resnet18") == "ResNet-18 · 11.7 M · timm:resnet18"
    for name in ("timm:resnet18.tv_in1k", "timm:mine", "vgg"):
        assert model_title(name) == name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("lenet-5", "lenet5"), ("MLP", "mlp"), ("resnet18", "timm:resnet18"),
        (" ViT tiny/16 ", "timm:vit_tiny_patch16_224"), ("timm:x", "timm:x"),
        ("vgg", "vgg"), ("ResNet-20", "resnet20"),
    ],
)  # fmt: skip
def test_names_are_understood_as_people_type_them(typed, name):
    assert meant(typed) == name


def test_only_networks_that_take_the_inputs_are_offered():
    assert page("moons").selectbox(key="model-points").options == ["MLP"]
    offered = page("digits").selectbox(key="model-image").options
    expected = {"LeNet-5", "ResNet-20", "ResNet-18 · 11.7 M · timm:resnet18"}
    assert expected <= set(offered)
    assert len(offered) > 25


def test_our_own_networks_begin_by_chance():
    app = page()
    assert app.session_state["answer"] == {"name": "mlp"}
    assert not app.toggle


def test_those_of_timm_may_begin_with_weights():
    app = page(chosen="timm:resnet18")
    assert "11.7 million parameters" in text(app)
    assert app.session_state["answer"] == {
        "name": "timm:resnet18", "pretrained": False, "weights": None,
    }  # fmt: skip
    assert FINE_TUNING not in text(app)
    app.toggle(key="pretrained").set_value(True).run()
    assert app.session_state["answer"]["pretrained"]
    assert FINE_TUNING in text(app)
    app.text_input(key="weights").set_value(" /a b.safetensors ").run()
    assert app.session_state["answer"]["weights"] == "/a b.safetensors"


def test_where_timm_has_no_weights_none_are_offered():
    app = page(chosen="timm:nf_resnet26")
    assert app.toggle(key="pretrained").disabled
    assert "There are no pretrained weights" in text(app)


def test_a_name_that_is_typed_may_have_weights():
    assert not page(chosen="timm:anything").toggle(key="pretrained").disabled
    assert page(chosen="vgg").session_state["answer"] == {"name": "vgg"}


def test_weights_are_handed_on_as_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert whole_weights(None) is None
    (tmp_path / "w.safetensors").write_bytes(b"")
    assert whole_weights("w.safetensors") == str(tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"no weights /.*/v\.safetensors on this"):
        whole_weights("v.safetensors")


def test_a_viewer_does_not_learn_which_files_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr("ui.components.access.may_edit", lambda: False)
    (tmp_path / "there.safetensors").touch()
    for name in ("there", "missing"):
        with pytest.raises(ValueError, match="Only editors may name files"):
            whole_weights(str(tmp_path / f"{name}.safetensors"))
