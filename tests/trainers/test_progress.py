"""Where a training stands goes into a checkpoint and comes back."""

from dataclasses import asdict

from trainers.progress import Progress


def test_a_training_begins_at_nothing():
    values = asdict(Progress())
    assert values.pop("first_loss") is None
    assert values.pop("best_nll") is None
    assert set(values.values()) == {0}


def test_it_comes_back_from_plain_data():
    progress = Progress(step=7, epoch=1, batch=2, loss_sum=0.5, best_nll=0.25)
    assert Progress(**asdict(progress)) == progress
