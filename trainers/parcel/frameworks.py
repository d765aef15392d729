"""The code that puts an optimizer into the loops of other libraries."""

from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.pieces import (
    FUNCTIONAL,
    LOADER,
    Snippet,
    Values,
    ending,
    imports,
    joined,
    needs,
    note,
    prediction,
)
from trainers.parcel.settings import MAKERS, constructor, has_posterior

LIGHTNING, HUGGING_FACE, ACCELERATE = (
    "Lightning", "Hugging Face Trainer", "Accelerate",
)  # fmt: skip


def lightning(spec: OptimizerSpec, values: Values) -> Snippet:
    """A module of PyTorch Lightning, whose loop is not touched."""
    wants = MAKERS[spec.name].num_data
    given = "model, len(loader.dataset)" if wants else "model"
    lines = [
        *imports(spec, "import lightning", FUNCTIONAL),
        *_classifier(spec, values, wants=wants),
        "trainer = lightning.Trainer(max_epochs=10)",
        f"trainer.fit(Classifier({given}), loader)",
        *ending(spec, optimizer="trainer.optimizers[0]"),
        *prediction(spec, values, optimizer="trainer.optimizers[0]"),
    ]  # fmt: skip
    return Snippet(
        title=LIGHTNING, code=joined(lines), yours=LOADER,
        needs=needs(spec, "lightning"), note=_automatic(spec, values),
    )  # fmt: skip


def _classifier(spec: OptimizerSpec, values: Values, *, wants: bool) -> list[str]:
    """The module; `wants` says whether the optimizer needs the number of examples."""
    names = ["model", "num_data"] if wants else ["model"]
    own = ", ".join(f"self.{name}" for name in names)
    made = constructor(
        spec, values, model="self.model", num_data="self.num_data", automatic=True,
        indent=8, start="return ",
    )  # fmt: skip
    return [
        "class Classifier(lightning.LightningModule):",
        f"    def __init__(self, {', '.join(names)}):",
        "        super().__init__()",
        f"        {own} = {', '.join(names)}",
        "",
        "    def training_step(self, batch, batch_idx):",
        "        inputs, labels = batch",
        "        return F.cross_entropy(self.model(inputs), labels)",
        "",
        "    def configure_optimizers(self):",
        made,
        "",
    ]


def hugging_face(spec: OptimizerSpec, values: Values) -> Snippet:
    """The Trainer of transformers."""
    lines = [
        *imports(spec, "from transformers import Trainer, TrainingArguments"),
        "# Its loss is a mean; accumulating, the Trainer would take it for a sum.",
        "model.accepts_loss_kwargs = False",
        constructor(spec, values, num_data="len(train_set)", automatic=True),
        'arguments = TrainingArguments("trained", num_train_epochs=3)',
        "trainer = Trainer(",
        "    model, arguments, train_dataset=train_set, optimizers=(optimizer, None)",
        ")",
        "trainer.train()",
        *prediction(spec, values, outputs=".logits"),
    ]
    return Snippet(
        title=HUGGING_FACE, code=joined(lines),
        yours="`model` (a classifier of transformers), `train_set` and `test_inputs`",
        needs=needs(spec, "transformers accelerate"),
        note=_automatic(spec, values) + _one_draw(spec, values),
    )  # fmt: skip


def accelerate(spec: OptimizerSpec, values: Values) -> Snippet:
    """The loop of Accelerate, on one device or many."""
    lines = [
        *imports(spec, "from accelerate import Accelerator", FUNCTIONAL),
        "accelerator = Accelerator()",
        constructor(spec, values, num_data="len(loader.dataset)", automatic=True),
        "wrapped, stepper, batches = accelerator.prepare(model, optimizer, loader)",
        "for epoch in range(10):",
        "    for inputs, labels in batches:",
        "        stepper.zero_grad()",
        "        accelerator.backward(F.cross_entropy(wrapped(inputs), labels))",
        "        stepper.step()",
        *ending(spec, "batches"),
        "",
        *prediction(spec, values),
    ]
    return Snippet(
        title=ACCELERATE, code=joined(lines), yours=LOADER,
        needs=needs(spec, "accelerate"),
        note=_automatic(spec, values) + _one_draw(spec, values),
    )  # fmt: skip


def _automatic(spec: OptimizerSpec, values: Values) -> str:
    if not MAKERS[spec.name].blocks:
        return note(spec)
    done = (
        "draws the weights, the backward pass puts the mean back"
        if has_posterior(spec, values)
        else "records the gradients of single examples"
    )
    return (
        f"`automatic=True`: every forward pass in train mode {done}. The loop stays as "
        "it is."
    )


def _one_draw(spec: OptimizerSpec, values: Values) -> str:
    if spec.validated(values).get("num_samples", 1) == 1:
        return ""
    return (
        "  \n`num_samples` counts where a loop calls `step(closure)`; this one does "
        "not, so each forward pass draws once."
    )
