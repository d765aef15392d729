"""VOGN in Hugging Face's Trainer, on synthetic sentences.

The first word of a sentence tells whether it is positive. Accumulation, clipping, the
schedule and checkpoints are the Trainer's own.
"""

import tempfile

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)

from vogn_app import VOGN

VOCABULARY, LENGTH, NUM_SAMPLES = 40, 9, 20


class Sentences(Dataset[dict[str, Tensor]]):
    """Random sentences.

    Args:
        num: How many.
        seed: Seed of the sentences.
    """

    def __init__(self, num: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.words = torch.randint(VOCABULARY, (num, LENGTH), generator=generator)
        self.labels = (self.words[:, 0] >= VOCABULARY // 2).long()

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.words[index], "labels": self.labels[index]}


def network() -> BertForSequenceClassification:
    """A tiny BERT, from scratch."""
    config = BertConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=64, num_labels=2,
        max_position_embeddings=LENGTH, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    # Its loss is the mean over a micro-batch. Transformers 5 takes it for one over all
    # micro-batches of a step, unless told, and then does not divide by their number.
    model.accepts_loss_kwargs = False
    return model


def main() -> float:
    """Train, and compare the mean with the average over the posterior.

    Returns:
        Test accuracy of the average.
    """
    set_seed(0)
    train, test = Sentences(2000, seed=1), Sentences(500, seed=2)
    model = network()
    optimizer = VOGN(model, num_data=len(train), lr=0.5, automatic=True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=4, per_device_train_batch_size=20,
            gradient_accumulation_steps=2, lr_scheduler_type="cosine", use_cpu=True,
            report_to=[], save_strategy="no", disable_tqdm=True,
            dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = Trainer(
            model, arguments, train_dataset=train, optimizers=(optimizer, None)
        )
        trainer.train()
    return evaluate(model, optimizer, test)


@torch.no_grad()
def evaluate(
    model: BertForSequenceClassification, optimizer: VOGN, test: Sentences
) -> float:
    """Print the accuracies; give that of the average."""
    model.eval()
    mean = model(test.words).logits.softmax(-1)
    average = optimizer.posterior().predict_proba(model, test.words, NUM_SAMPLES)
    for name, probabilities in (("mean", mean), ("posterior", average)):
        accuracy = (probabilities.argmax(-1) == test.labels).float().mean().item()
        print(f"accuracy of the {name}: {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
