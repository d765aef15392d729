"""Runs snippets, as a program of its own: `python snippet_runner.py < SNIPPETS`.

SNIPPETS is JSON, a list of [name, framework, code]. It prints a line for each.
"""

import json
import sys
import traceback

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES, SIZE = 3, 48


def points():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(SIZE) % CLASSES
    centres = torch.tensor([[0.0, 3.0], [3.0, -3.0], [-3.0, -3.0]])
    return centres[labels] + torch.randn(SIZE, 2, generator=generator), labels


def names():
    """What a snippet expects to be there."""
    inputs, labels = points()
    loader = DataLoader(TensorDataset(inputs, labels), 12, shuffle=True)
    given = {"model": new_model(), "new_model": new_model}
    return {**given, "loader": loader, "test_inputs": inputs}


def new_model():
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, CLASSES))


def names_of_transformers():
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, num_labels=CLASSES, max_position_embeddings=6,
    )  # fmt: skip
    words, labels = torch.randint(20, (SIZE, 6)), torch.arange(SIZE) % CLASSES
    train = [{"input_ids": w, "labels": y} for w, y in zip(words, labels, strict=True)]
    model = BertForSequenceClassification(config)
    return {"model": model, "train_set": train, "test_inputs": words}


def run(framework, code):
    torch.manual_seed(0)
    given = names_of_transformers() if "Hugging" in framework else names()
    before = [p.detach().clone() for p in given["model"].parameters()]
    exec(compile(code, framework, "exec"), given)
    for model in given.get("models", [given["model"]]):
        after = list(model.parameters())
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    probabilities = given["probabilities"]
    assert probabilities.shape == (SIZE, CLASSES), probabilities.shape
    assert probabilities.isfinite().all()
    assert (probabilities.sum(-1) - 1).abs().max() < 1e-4
    return probabilities


def tell(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main():
    for name, framework, code in json.load(sys.stdin):
        try:
            run(framework, code)
        except Exception:
            traceback.print_exc()
            tell(f"FAILED {name}: {framework}")
        else:
            tell(f"fine {name}: {framework}")


if __name__ == "__main__":
    main()
