"""What one more example shows."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import Folded, Positions
from vogn_app.curvature.capture import SquareCapture
from vogn_app.curvature.experiment import run_on_few
from vogn_app.curvature.functional import ModuleCall, output_tensors


def run(model, x, call=None):
    """What a run on few shows after a call on all."""
    layers, shapes = SquareCapture(model, dict(model.named_parameters())).layers, {}
    if call is None:

        def note(module, args):
            shapes[module] = args[0].shape

        hooks = [layer.module.register_forward_pre_hook(note) for layer in layers]
        call = ModuleCall.of((x,), {}, output_tensors(model(x)))
        for hook in hooks:
            hook.remove()
    return run_on_few(model, layers, call, shapes)


def blind(seen, model):
    """Names of the modules that do not see the examples."""
    names = {module: name for name, module in model.named_modules()}
    return {names[m] for m, dimension in seen.dimensions.items() if dimension is None}


def network(*between):
    return nn.Sequential(nn.Linear(3, 4), *between, nn.Linear(4, 2))


@pytest.mark.parametrize("num", [2, 3, 5])
def test_layers_that_see_the_examples_see_them_first(num):
    model = network(nn.Tanh())
    seen = run(model, torch.randn(num, 3))
    assert set(seen.dimensions.values()) == {0}
    assert seen.mixes is False
    assert seen.output.shape == (3 if num == 2 else 2, 2)


def test_windows_folded_into_the_examples_are_told_from_them():
    model = Folded()
    assert blind(run(model, torch.randn(5, 12)), model) == {"inner"}


@pytest.mark.parametrize("num", [2, 5])
def test_positions_are_told_from_the_examples(num):
    model = Positions(length=5)
    seen = run(model, torch.randint(7, (num, 5)))
    assert blind(seen, model) == {"position"}


@pytest.mark.parametrize("rows", [2, 3])
def test_rows_as_many_as_examples_are_told_from_them(rows):
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.head(x + self.table(torch.eye(rows, 3))[0])

    for num in (2, 3, 5):
        model = Table()
        assert blind(run(model, torch.randn(num, 3)), model) == {"table"}


@pytest.mark.parametrize("length", [2, 4, 5])
def test_sequences_first_have_the_examples_second(length):
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 2)

        def forward(self, x):
            return self.inner(x.transpose(0, 1)).sum(0)

    seen = run(Turned(), torch.randn(5, length, 3))
    # With as many tokens as examples the second dimension alone changes with these.
    assert list(seen.dimensions.values()) == [1]


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("length", [2, 4, 5])
def test_recurrent_layers_say_themselves_where_their_examples_are(batch_first, length):
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 2, batch_first=batch_first)

        def forward(self, x):
            output = self.lstm(x if batch_first else x.transpose(0, 1))[0]
            return output if batch_first else output.transpose(0, 1)

    model = Encoder()
    assert blind(run(model, torch.randn(5, length, 3)), model) == set()


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
    assert seen.mixes is None
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
    assert (seen.output, seen.mixes, seen.dimensions) == (None, None, {})


def test_an_output_changed_in_place_later_is_not_taken_for_mixing():
    model, x = network(), torch.randn(5, 3)
    output = model(x)
    call = ModuleCall.of((x,), {}, output_tensors(output))
    with torch.no_grad():
        output.mul_(2)
    assert run(model, x, call).mixes is None
