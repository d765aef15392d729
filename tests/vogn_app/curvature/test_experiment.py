"""What one more example shows."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import Folded, Positions
from vogn_app.curvature.capture import SquareCapture
from vogn_app.curvature.experiment import run_one_more
from vogn_app.curvature.functional import ModuleCall, output_tensors


def run(model, x):
    capture = SquareCapture(model, dict(model.named_parameters()))
    call = ModuleCall.of((x,), {}, output_tensors(model(x)))
    return run_one_more(model, capture.layers, call)


def network(*between):
    return nn.Sequential(nn.Linear(3, 4), *between, nn.Linear(4, 2))


def test_layers_that_see_the_examples_are_not_blind():
    seen = run(network(nn.Tanh()), torch.randn(5, 3))
    assert (seen.blind, seen.random, seen.mixes) == (set(), False, False)
    assert seen.output.shape == (6, 2)


def test_windows_folded_into_the_examples_are_told_from_them():
    assert run(Folded(), torch.randn(5, 12)).blind == {"inner.weight", "inner.bias"}


def test_as_many_positions_as_examples_are_told_from_them():
    seen = run(Positions(length=5), torch.randint(7, (5, 5)))
    assert seen.blind == {"position.weight"}


def test_layers_on_something_else_are_blind():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.head(x + self.table(torch.eye(3))[0])

    assert run(Positions(), torch.randn(3, 3)).blind == {"table.weight", "table.bias"}


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("length", [4, 5])
def test_sequences_are_seen_in_the_dimension_of_their_examples(batch_first, length):
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 2, batch_first=batch_first)

        def forward(self, x):
            output = self.lstm(x if batch_first else x.transpose(0, 1))[0]
            return output if batch_first else output.transpose(0, 1)

    assert run(Encoder(), torch.randn(5, length, 3)).blind == set()


class Centred(nn.Module):
    def forward(self, x):
        return x - x.mean(0)


@pytest.mark.parametrize("between", [Centred, lambda: nn.BatchNorm1d(4)])
def test_mixing_is_seen(between):
    assert run(network(between()), torch.randn(5, 3)).mixes is True


def test_batch_norm_in_eval_mode_does_not_mix():
    model = network(nn.BatchNorm1d(4)).eval()
    assert run(model, torch.randn(5, 3)).mixes is False


def test_random_numbers_hide_mixing_and_are_put_back():
    model, x = network(nn.Dropout(0.5)), torch.randn(5, 3)
    before = torch.get_rng_state()
    model(x)
    after_forward = torch.get_rng_state()
    torch.set_rng_state(before)
    seen = run(model, x)
    assert (seen.random, seen.mixes) == (True, None)
    assert torch.equal(torch.get_rng_state(), after_forward)


def test_buffers_are_left_alone():
    model = network(nn.BatchNorm1d(4))
    run(model, torch.randn(5, 3))
    assert int(model[1].num_batches_tracked) == 1  # its own call's


def test_a_model_that_takes_no_other_number_of_examples_shows_nothing():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            return self.layer(x.reshape(5, 3))

    seen = run(Fixed(), torch.randn(5, 3))
    assert (seen.output, seen.mixes, seen.blind) == (None, None, set())


def test_an_output_changed_in_place_later_is_not_taken_for_mixing():
    model, x = network(), torch.randn(5, 3)
    capture = SquareCapture(model, dict(model.named_parameters()))
    output = model(x)
    call = ModuleCall.of((x,), {}, output_tensors(output))
    with torch.no_grad():
        output.mul_(2)
    assert run_one_more(model, capture.layers, call).mixes is None
