"""The public names, and that scikit-learn comes with the first detector only."""

import subprocess
import sys

import pytest

import calibration.ood as ood

PROBE = """
import sys
import calibration.ood
assert "sklearn" not in sys.modules
calibration.ood.ViM
assert "sklearn" in sys.modules
"""


def test_every_public_name_is_there():
    assert len(set(ood.__all__)) == len(ood.__all__)
    assert [name for name in ood.__all__ if not hasattr(ood, name)] == []
    assert set(ood.features.__all__) <= set(ood.__all__)


def test_scikit_learn_is_imported_with_the_first_detector():
    subprocess.run([sys.executable, "-c", PROBE], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        ood.Nothing  # noqa: B018
