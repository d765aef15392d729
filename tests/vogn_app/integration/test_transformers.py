"""Hugging Face's Trainer trains as a loop with explicit blocks does."""

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from tests.vogn_app.curvature.exactness import assert_close
from tests.vogn_app.optim.networks import assert_bitwise
from vogn_app import VOGN, optimizer_for

transformers = pytest.importorskip("transformers", reason="it is not installed")
pytest.importorskip("accelerate", reason="Accelerate is not installed")

STEPS = 6


@pytest.fixture(autouse=True)
def single_precision():
    torch.set_default_dtype(torch.float32)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def network():
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=12, num_labels=2,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    # Its loss is a plain mean, whatever the Trainer concludes from its signature.
    model.accepts_loss_kwargs = False
    return model


class Sentences(Dataset):
    """Random tokens; the first tells the label."""

    def __init__(self):
        generator = torch.Generator().manual_seed(1)
        self.tokens = torch.randint(1, 30, (32, 8), generator=generator)

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, i):
        tokens = self.tokens[i]
        return {"input_ids": tokens, "labels": int(tokens[0] > 15)}


class Recorded(transformers.Trainer):
    """Remembers its micro-batches."""

    def training_step(self, model, inputs, num_items_in_batch=None):
        self.seen = [*getattr(self, "seen", []), inputs]
        self.num_words = num_items_in_batch
        return super().training_step(model, inputs, num_items_in_batch)


def trainer_of(model, folder, accumulate=2, **options):
    arguments = transformers.TrainingArguments(
        str(folder), per_device_train_batch_size=4, max_steps=STEPS, save_steps=3,
        gradient_accumulation_steps=accumulate, eval_strategy="steps", eval_steps=2,
        report_to=[], disable_tqdm=True, use_cpu=True, learning_rate=0.1,
        dataloader_pin_memory=False, logging_strategy="no",
        **options.pop("arguments", {}),
    )  # fmt: skip
    return Recorded(
        model, arguments, train_dataset=Sentences(), eval_dataset=Sentences(), **options
    )


def state(optimizer, model):
    """Weights and curvature, by name."""
    named = list(model.named_parameters())
    curvature = {f"s of {k}": optimizer.state[p]["curvature"] for k, p in named}
    return {k: v.detach() for k, v in (curvature | dict(named)).items()}


def by_hand(batches, accumulate, lower=False, **settings):
    """Micro-batches in explicit blocks, with the Trainer's clipping and schedule."""
    model = network().train()
    optimizer = VOGN(model, num_data=32, **settings)
    linear = lambda step: 1 - step / STEPS  # noqa: E731
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, linear)
    for i, batch in enumerate(batches, 1):
        with (
            optimizer.sampled_params(train=True),
            torch.autocast("cpu", torch.bfloat16, enabled=lower),
        ):
            model(**batch).loss.backward()
        if i % accumulate == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
    return state(optimizer, model)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_trainer_is_the_loop_with_blocks(accumulate, tmp_path):
    model = network()
    optimizer = VOGN(model, num_data=32, automatic=True)
    trainer = trainer_of(model, tmp_path, accumulate, optimizers=(optimizer, None))
    trainer.train()
    assert optimizer.num_steps == STEPS
    assert len(trainer.seen) == STEPS * accumulate
    assert_bitwise(state(optimizer, model), by_hand(trainer.seen, accumulate))
    first, second = (trainer.evaluate()["eval_loss"] for _ in range(2))
    assert first == second  # without noise


def test_mixed_precision(tmp_path):
    model = network()
    optimizer = VOGN(model, num_data=32, automatic=True)
    options = {"optimizers": (optimizer, None), "arguments": {"bf16": True}}
    trainer = trainer_of(model, tmp_path, **options)
    trainer.train()
    assert_bitwise(state(optimizer, model), by_hand(trainer.seen, 2, lower=True))


def test_a_run_that_was_saved_and_resumed_goes_on_bit_for_bit(tmp_path):
    states = []
    for resume in (None, str(tmp_path / "checkpoint-3")):
        model = network()
        optimizer = VOGN(model, num_data=32, automatic=True)
        trainer = trainer_of(model, tmp_path, optimizers=(optimizer, None))
        trainer.train(resume_from_checkpoint=resume)
        assert optimizer.num_steps == STEPS
        states.append(state(optimizer, model))
    assert len(trainer.seen) == STEPS  # half of the micro-batches
    assert_bitwise(*states)


def test_the_trainer_can_make_the_optimizer_from_groups(tmp_path):
    model = network()
    made = optimizer_for(model, num_data=32, curvature_decay=0.99)
    trainer = trainer_of(
        model, tmp_path, optimizer_cls_and_kwargs=(made, {"lr": 0.1}),
        arguments={"weight_decay": 0.01},
    )  # fmt: skip
    trainer.train()
    optimizer = trainer.optimizer.optimizer
    assert type(optimizer) is VOGN
    assert {g["weight_decay"] for g in optimizer.param_groups} == {0.0, 0.01}
    decayed = [
        p for g in optimizer.param_groups if g["weight_decay"] for p in g["params"]
    ]
    assert decayed
    assert all(p.ndim > 1 for p in decayed)
    assert optimizer.num_steps == STEPS


def test_a_factory_gets_the_model(tmp_path):
    model = network()
    settings = {"num_data": 32, "automatic": True, "lr": 0.1}
    given = (lambda: VOGN, settings)
    trainer = trainer_of(model, tmp_path, optimizer_cls_and_kwargs=given)
    trainer.train()
    settings = {"lr": 0.1}
    assert_bitwise(
        state(trainer.optimizer.optimizer, model), by_hand(trainer.seen, 2, **settings)
    )


class Texts(Dataset):
    """Texts to continue, with as many words as it comes."""

    def __init__(self):
        self.tokens = torch.randint(30, (16, 6))
        self.lengths = torch.randint(2, 7, (16,))

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, i):
        counted = torch.arange(6) < self.lengths[i]
        labels = torch.where(counted, self.tokens[i], -100)
        return {"input_ids": self.tokens[i], "labels": labels}


def test_a_mean_over_the_words_of_all_micro_batches(tmp_path):
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=30, n_positions=6, n_embd=8, n_layer=1, n_head=2, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = transformers.GPT2LMHeadModel(config)
    whole = transformers.GPT2LMHeadModel(config)
    whole.load_state_dict(model.state_dict())
    settings = {"num_data": 16, "automatic": True, "curvature_decay": 0.0}
    optimizers = [VOGN(m, **settings) for m in (model, whole)]
    for group in (*optimizers[0].param_groups, *optimizers[1].param_groups):
        group["sampled"] = False  # each block would draw its own weights
    arguments = transformers.TrainingArguments(
        str(tmp_path), per_device_train_batch_size=4, gradient_accumulation_steps=4,
        max_steps=1, report_to=[], disable_tqdm=True, use_cpu=True, save_strategy="no",
        dataloader_pin_memory=False, logging_strategy="no", max_grad_norm=0.0,
        learning_rate=0.1,
    )  # fmt: skip
    texts = Texts()
    trainer = Recorded(
        model, arguments, train_dataset=texts, optimizers=(optimizers[0], None)
    )
    trainer.train()
    batch = {k: torch.cat([each[k] for each in trainer.seen]) for k in trainer.seen[0]}
    whole(**batch, num_items_in_batch=trainer.num_words).loss.backward()
    optimizers[1].step()
    got, expected = state(optimizers[0], model), state(optimizers[1], whole)
    assert_close(got, expected, relative=1e-5)
