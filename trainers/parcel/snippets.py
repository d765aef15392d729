"""The ten lines that put an optimizer into a training loop, with the values chosen.

Pure: an optimizer and its hyper-parameters go in, code comes out. `tests` runs every
one of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.settings import MAKERS, call, constructor, has_posterior, written

Values = Mapping[str, Any]

PLAIN, LIGHTNING, HUGGING_FACE, ACCELERATE = (
    "PyTorch", "Lightning", "Hugging Face Trainer", "Accelerate",
)  # fmt: skip
IN_FRONT = "In front of another"

_FUNCTIONAL = "from torch.nn import functional as F"
_LOADER = "`model`, `loader` (batches of inputs and labels) and `test_inputs`"
_SUM = "The loss must be the mean over the examples of a batch, as it is by default."


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """Code to copy.

    Args:
        title: What it is for.
        code: The code, which ends with a line break.
        yours: Names that it expects, in Markdown.
        needs: What `pip install` must be given beside torch, "" for nothing.
        note: What one must know of it, in Markdown; "" for nothing.
    """

    title: str
    code: str
    yours: str
    needs: str = ""
    note: str = ""


def snippets(spec: OptimizerSpec, values: Values) -> list[Snippet]:
    """All code for an optimizer.

    Args:
        spec: The optimizer.
        values: Hyper-parameters by name; those that are missing have their default.

    Returns:
        The plain loop first.

    Raises:
        ValueError: If a name is unknown or a value out of range.
    """
    kinds: list[Callable[[OptimizerSpec, Values], Snippet]] = [
        plain_loop, lightning, hugging_face, accelerate,
    ]  # fmt: skip
    if spec.name == "kfac":
        kinds.append(in_front)
    return [kind(spec, values) for kind in kinds]


def plain_loop(spec: OptimizerSpec, values: Values) -> Snippet:
    """A loop of one's own, with torch alone."""
    lines = [
        *_imports(spec, _FUNCTIONAL),
        constructor(spec, values, num_data="len(loader.dataset)"),
        "for epoch in range(10):",
        "    for inputs, labels in loader:",
        *step_lines(spec, values, indent=8),
        "",
        *_prediction(spec, values),
    ]
    return Snippet(
        title=PLAIN, code=_joined(lines), yours=_LOADER, needs=_needs(spec), note=_SUM
    )


def step_lines(
    spec: OptimizerSpec,
    values: Values,
    indent: int = 0,
    loss: str = "F.cross_entropy(model(inputs), labels)",
) -> list[str]:
    """One step in a loop of one's own.

    Args:
        spec: The optimizer.
        values: Its hyper-parameters.
        indent: Spaces before each line.
        loss: The expression of which `backward` is called.

    Returns:
        Lines of code.
    """
    backward = f"{loss}.backward()"
    if not spec.bayesian:
        lines = ["optimizer.zero_grad()", backward, "optimizer.step()"]
        return [" " * indent + line for line in lines]
    draws = spec.validated(values)["num_samples"]
    drawn = has_posterior(spec, values)
    told = "draws the weights" if drawn else "at the mean"
    block = [f"with optimizer.sampled_params(train=True):  # {told}", f"    {backward}"]
    if draws != 1:
        block = [f"for _ in range({draws}):", *(f"    {line}" for line in block)]
    return [" " * indent + line for line in (*block, "optimizer.step()")]


def lightning(spec: OptimizerSpec, values: Values) -> Snippet:
    """A module of PyTorch Lightning, whose loop is not touched."""
    wants = MAKERS[spec.name].num_data
    own = (
        "self.model, self.num_data = model, num_data" if wants else "self.model = model"
    )
    given = "model, len(loader.dataset)" if wants else "model"
    made = constructor(
        spec, values, model="self.model", num_data="self.num_data", automatic=True,
        indent=8, start="return ",
    )  # fmt: skip
    lines = [
        *_imports(spec, "import lightning", _FUNCTIONAL),
        "class Classifier(lightning.LightningModule):",
        f"    def __init__(self, model{', num_data' if wants else ''}):",
        "        super().__init__()",
        f"        {own}",
        "",
        "    def training_step(self, batch, batch_idx):",
        "        inputs, labels = batch",
        "        return F.cross_entropy(self.model(inputs), labels)",
        "",
        "    def configure_optimizers(self):",
        made,
        "",
        "trainer = lightning.Trainer(max_epochs=10)",
        f"trainer.fit(Classifier({given}), loader)",
        *_prediction(spec, values, optimizer="trainer.optimizers[0]"),
    ]  # fmt: skip
    return Snippet(
        title=LIGHTNING, code=_joined(lines), yours=_LOADER,
        needs=_needs(spec, "lightning"), note=_automatic(spec),
    )  # fmt: skip


def hugging_face(spec: OptimizerSpec, values: Values) -> Snippet:
    """The Trainer of transformers."""
    lines = [
        *_imports(spec, "from transformers import Trainer, TrainingArguments"),
        "# Its loss is a mean; accumulating, the Trainer would take it for a sum.",
        "model.accepts_loss_kwargs = False",
        constructor(spec, values, num_data="len(train_set)", automatic=True),
        'arguments = TrainingArguments("trained", num_train_epochs=3)',
        "trainer = Trainer(",
        "    model, arguments, train_dataset=train_set, optimizers=(optimizer, None)",
        ")",
        "trainer.train()",
        *_prediction(spec, values, outputs=".logits"),
    ]
    return Snippet(
        title=HUGGING_FACE, code=_joined(lines),
        yours="`model` (a classifier of transformers), `train_set` and `test_inputs`",
        needs=_needs(spec, "transformers accelerate"),
        note=_automatic(spec) + _one_draw(spec, values),
    )  # fmt: skip


def accelerate(spec: OptimizerSpec, values: Values) -> Snippet:
    """The loop of Accelerate, on one device or many."""
    lines = [
        *_imports(spec, "from accelerate import Accelerator", _FUNCTIONAL),
        "accelerator = Accelerator()",
        constructor(spec, values, num_data="len(loader.dataset)", automatic=True),
        "wrapped, stepper, batches = accelerator.prepare(model, optimizer, loader)",
        "for epoch in range(10):",
        "    for inputs, labels in batches:",
        "        stepper.zero_grad()",
        "        accelerator.backward(F.cross_entropy(wrapped(inputs), labels))",
        "        stepper.step()",
        "",
        *_prediction(spec, values),
    ]
    return Snippet(
        title=ACCELERATE, code=_joined(lines), yours=_LOADER,
        needs=_needs(spec, "accelerate"),
        note=_automatic(spec) + _one_draw(spec, values),
    )  # fmt: skip


def in_front(spec: OptimizerSpec, values: Values) -> Snippet:
    """K-FAC's curvature in front of any optimizer, here SGD."""
    found = spec.validated(values)
    sgd = {name: found[name] for name in ("lr", "momentum", "nesterov", "weight_decay")}
    own = [
        f"{name}={written(found[name])}"
        for name in (
            "damping", "factor_interval", "factor_decay", "inverse_interval",
            "inversion", "curvature", "sharing",
        )
        if found[name] != spec.defaults()[name]
    ]  # fmt: skip
    if found["kl_clip"]:
        rate = 'lr=lambda: optimizer.param_groups[0]["lr"]'
        own += [f"kl_clip={written(found['kl_clip'])}", rate]
    given = [f"{name}={written(value)}" for name, value in sgd.items() if value]
    lines = [
        "import torch",
        _FUNCTIONAL,
        "from vogn_app import KroneckerPreconditioner",
        "",
        call("optimizer = torch.optim.SGD", ["model.parameters()", *given]),
        call("preconditioner = KroneckerPreconditioner", ["model", *own]),
        "for epoch in range(10):",
        "    for inputs, labels in loader:",
        "        optimizer.zero_grad()",
        "        F.cross_entropy(model(inputs), labels).backward()",
        "        preconditioner.step()  # gradients become natural gradients",
        "        optimizer.step()",
        "",
        *_prediction(spec, values),
    ]
    return Snippet(
        title=IN_FRONT, code=_joined(lines), yours=_LOADER,
        note="In place of SGD any optimizer may stand. `kl_clip` bounds the step "
        "without momentum here; `KFAC` itself counts the momentum in.",
    )  # fmt: skip


def _imports(spec: OptimizerSpec, *others: str) -> list[str]:
    """Import lines in their usual order, and an empty line."""
    own = MAKERS[spec.name].imports
    modules = [line for line in others if line.startswith("import ")]
    names = [line for line in others if not line.startswith("import ")]
    return [*modules, *sorted([*names, own]), ""]


def _prediction(
    spec: OptimizerSpec,
    values: Values,
    *,
    optimizer: str = "optimizer",
    outputs: str = "",
) -> list[str]:
    if has_posterior(spec, values):
        return [
            f"posterior = {optimizer}.posterior()  # needs no optimizer any more",
            "probabilities = posterior.predict_proba(model, test_inputs)  # 32 draws",
        ]
    return [
        "model.eval()",
        f"probabilities = model(test_inputs){outputs}.softmax(-1)",
    ]


def _automatic(spec: OptimizerSpec) -> str:
    if not MAKERS[spec.name].num_data:
        return _SUM
    return (
        "`automatic=True`: every forward pass in train mode draws the weights, the "
        "backward pass puts the mean back. The loop stays as it is."
    )


def _one_draw(spec: OptimizerSpec, values: Values) -> str:
    if not spec.bayesian or spec.validated(values)["num_samples"] == 1:
        return ""
    return (
        "  \n`num_samples` counts where a loop calls `step(closure)`; this one does "
        "not, so each forward pass draws once."
    )


def _needs(spec: OptimizerSpec, framework: str = "") -> str:
    own = "timm" if spec.name == "lamb" else ""
    return " ".join(part for part in (framework, own) if part)


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
