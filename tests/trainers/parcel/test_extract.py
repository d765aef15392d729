"""Tests of code that is taken out with all that it refers to."""

import pytest
import torch

from trainers.catalogue import MODELS
from trainers.models import build_model
from trainers.parcel.extract import extracted
from trainers.parcel.wheel import ParcelError


def run(code):
    names = {}
    exec(compile(code, "extracted", "exec"), names)
    return names


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32)])
def test_a_network_of_ours_is_built_by_its_own_code(name, shape):
    code = extracted("trainers.networks", name)
    assert "trainers" not in code
    built = run(code)[name](shape, 7)
    expected = build_model(name, shape, 7)
    assert {k: v.shape for k, v in built.state_dict().items()} == {
        k: v.shape for k, v in expected.state_dict().items()
    }
    built.load_state_dict(expected.state_dict())
    x = torch.rand(2, *shape)
    torch.testing.assert_close(built.eval()(x), expected.eval()(x))


def test_only_what_is_needed_comes_along():
    code = extracted("trainers.networks", "lenet5")
    assert "LENET_SIZE = 28" in code
    assert "resnet20" not in code
    assert "ResidualBlock" not in code


def test_a_timm_network_is_built_by_code_that_needs_timm_alone():
    code = extracted("trainers.timm_models", "timm_network")
    imported = [
        line for line in code.splitlines() if line.startswith(("import", "from"))
    ]
    roots = {line.split()[1].split(".")[0] for line in imported}
    assert roots <= {"torch", "timm", "math", "difflib", "typing", "collections"}
    built = run(code)["timm_network"]("resnet10t", (1, 28, 28), 5)
    expected = build_model("timm:resnet10t", (1, 28, 28), 5)
    assert list(built.state_dict()) == list(expected.state_dict())


def test_names_are_followed_through_modules(tmp_path):
    folder = tmp_path / "trainers"
    folder.mkdir()
    (folder / "one.py").write_text(
        "import math\nfrom trainers.two import LIMIT, helper\nUNUSED = 1\n\n"
        "def wanted(x):\n    return helper(x) + LIMIT + math.pi\n"
    )
    (folder / "two.py").write_text(
        "from dataclasses import dataclass as data\n"
        "BASE = 2\nLIMIT: int = BASE + 1\n\n"
        "@data\nclass Kept:\n    x: int\n\n"
        "def helper(x):\n    return Kept(x).x if x else helper(1)\n"
    )
    code = extracted("trainers.one", "wanted", tmp_path)
    assert "UNUSED" not in code
    assert run(code)["wanted"](0) == pytest.approx(1 + 3 + 3.14159265)


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(
        ParcelError, match=r"trainers\.networks does not define alexnet"
    ):
        extracted("trainers.networks", "alexnet")
    with pytest.raises(ParcelError, match=r"trainers\.none cannot be read"):
        extracted("trainers.none", "x", tmp_path)
