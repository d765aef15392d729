"""Tests of what snippets are put together from."""

from trainers.catalogue import OPTIMIZERS
from trainers.parcel.pieces import imports, joined, needs, prediction

VOGN, SGD, LAMB = (OPTIMIZERS[name] for name in ("vogn", "sgd", "lamb"))


def test_modules_are_imported_before_names():
    assert imports(VOGN, "from a import b", "import lightning") == [
        "import lightning", "from a import b", "from vogn_app import VOGN", "",
    ]  # fmt: skip


def test_a_posterior_predicts_and_else_the_network():
    (_, line) = prediction(VOGN, {}, optimizer="trainer.optimizers[0]")
    assert line.startswith("probabilities = posterior.predict_proba(")
    for lines in (prediction(SGD, {}), prediction(VOGN, {"sampled": False})):
        assert lines[-1] == "probabilities = model(test_inputs).softmax(-1)"
    assert "inputs).logits." in prediction(SGD, {}, outputs=".logits")[-1]


def test_what_else_is_to_be_installed():
    assert needs(VOGN) == ""
    assert needs(LAMB) == "timm"
    assert needs(LAMB, "lightning") == "lightning timm"


def test_lines_end_with_a_break():
    assert joined(["a", "b"]) == "a\nb\n"
