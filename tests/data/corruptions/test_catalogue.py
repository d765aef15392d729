"""Tests of what is known of each corruption."""

import subprocess
import sys

import pytest

from data.corruptions import CORRUPTIONS, SEVERITIES, corruption

PUBLISHED = 15  # kinds of Hendrycks and Dietterich


def test_the_kinds_are_those_of_the_paper_and_rotation():
    groups = [each.group for each in CORRUPTIONS.values()]
    counts = {group: groups.count(group) for group in groups}
    assert counts == {"noise": 3, "blur": 4, "weather": 3, "digital": 5, "geometry": 1}
    assert len(CORRUPTIONS) == PUBLISHED + 1


@pytest.mark.parametrize("spec", CORRUPTIONS.values(), ids=str)
def test_every_kind_has_a_name_a_line_and_settings_of_five_severities(spec):
    assert corruption(spec.name) is spec
    assert spec.name.isidentifier()
    assert 0 < len(spec.description) < 80
    assert len(spec.severities) == len(SEVERITIES)
    assert {len(settings) for settings in spec.severities} == {len(spec.parameters)}


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of gaussian_noise, .*, got 'rain'"):
        corruption("rain")


def test_a_list_of_kinds_costs_no_heavy_import():
    code = (
        "import data.corruptions, sys; "
        "sys.exit(bool({'scipy', 'PIL', 'numpy', 'torch'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
