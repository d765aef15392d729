"""Where a training stands."""

from dataclasses import dataclass


@dataclass
class Progress:
    """Where training stands, as it goes into a checkpoint.

    Args:
        step: Steps done.
        epoch: Epochs done.
        batch: Batches done in this epoch.
        seconds: Time spent so far.
        loss_sum: Sum over this epoch's examples of their loss.
        num_correct: Examples of this epoch that were predicted right, averaged over
            the draws of the weights.
        num_examples: Examples of this epoch.
        interval_loss: As `loss_sum`, since the last logged step.
        interval_examples: Examples since then.
        interval_seconds: Training time since then.
        epoch_seconds: Training time in this epoch.
        first_loss: Loss of the first step.
        best_nll: Best validation NLL so far.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    num_correct: float = 0.0
    num_examples: int = 0
    interval_loss: float = 0.0
    interval_examples: int = 0
    interval_seconds: float = 0.0
    epoch_seconds: float = 0.0
    first_loss: float | None = None
    best_nll: float | None = None
