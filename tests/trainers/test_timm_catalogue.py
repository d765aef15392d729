"""Tests of the table of timm's networks: it says what timm says.

`row_of` makes a row; a new network is added to the table with what it prints:
`python -c "from tests.trainers.test_timm_catalogue import row_of; print(row_of(...))"`.
"""

import pytest
import timm
import torch

from trainers.catalogue import TIMM_SUGGESTIONS, model_spec
from trainers.timm_catalogue import TIMM_MODELS, TimmSpec, timm_spec


def row_of(name, title=""):
    """What timm knows of a network; the title is ours."""
    facts = timm.get_pretrained_cfg(name)
    with torch.device("meta"):  # counted without making them
        parameters = list(timm.create_model(name).parameters())
    tag = facts.tag if facts.hf_hub_id else ""
    return TimmSpec(
        name=name,
        title=title,
        millions=round(sum(each.numel() for each in parameters) / 1e6, 1),
        size=facts.input_size[-1],
        weights=tag,
        licence=(facts.license or "") if tag else "",
    )


@pytest.mark.parametrize("spec", TIMM_MODELS.values(), ids=TIMM_MODELS)
def test_the_table_says_what_timm_says(spec):
    assert row_of(spec.name, spec.title) == spec


def test_titles_differ_and_weights_are_safetensors_of_the_hub():
    assert len({spec.title for spec in TIMM_MODELS.values()}) == len(TIMM_MODELS)
    for name, spec in TIMM_MODELS.items():
        facts = timm.get_pretrained_cfg(name)
        assert facts.custom_load != "hf"
        assert not facts.hf_hub_filename
        if spec.weights:
            assert facts.hf_hub_id == f"timm/{name}.{spec.weights}"


def test_networks_are_found_with_and_without_a_tag():
    spec = TIMM_MODELS["resnet18"]
    assert timm_spec("timm:resnet18") is spec
    assert timm_spec("timm:resnet18.tv_in1k") is spec
    assert timm_spec("timm:resnet19") is None
    assert timm_spec("resnet18") is None


def test_the_summary_tells_size_weights_and_licence():
    assert TIMM_MODELS["convnextv2_atto"].summary == (
        "3.7 million parameters, made for 224-pixel images. Pretrained weights: "
        "fcmae_ft_in1k, cc-by-nc-4.0."
    )
    assert TIMM_MODELS["nf_resnet26"].summary.endswith("no pretrained weights.")


def test_all_are_suggested_and_described():
    assert "timm:resnet18" in TIMM_SUGGESTIONS
    for name in TIMM_SUGGESTIONS:
        assert timm_spec(name).summary in model_spec(name).summary
