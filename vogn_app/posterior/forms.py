"""What is in the files of each kind of posterior."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """What is in the files of one kind of posterior.

    Args:
        name: What the file calls its format.
        schema: Its version, the one that is read.
        kind: Name of the class, for messages.
        tensors: Fields that are tensors by name.
        values: Fields that are plain values by name.
    """

    name: str
    schema: int
    kind: str
    tensors: tuple[str, ...]
    values: tuple[str, ...]


GAUSSIAN = Form(
    "vogn_app.posterior", 1, "GaussianPosterior", ("mean", "precision", "buffers"),
    ("prior_precision", "metadata"),
)  # fmt: skip
MATRIX_GAUSSIAN = Form(
    "vogn_app.posterior.matrix_gaussian", 1, "MatrixGaussianPosterior",
    ("mean", "factors", "buffers"), ("blocks", "prior_precision", "metadata"),
)  # fmt: skip

LOW_RANK = Form(
    "vogn_app.posterior.low_rank", 1, "LowRankPosterior",
    ("mean", "variance", "deviations", "buffers"),
    ("settings", "prior_precision", "metadata"),
)  # fmt: skip
DROPOUT = Form(
    "vogn_app.posterior.dropout", 1, "DropoutPosterior", ("mean", "buffers"),
    ("rates", "prior_precision", "metadata"),
)  # fmt: skip
MIXTURE = Form(
    "vogn_app.posterior.mixture", 1, "MixturePosterior", ("tensors",),
    ("components", "shared", "metadata"),
)  # fmt: skip
