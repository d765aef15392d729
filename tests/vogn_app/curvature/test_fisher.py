"""Squares at labels drawn from the model, against a loop over examples at the same."""

# ruff: noqa: PT012, SIM117 - what raises is the block with its statements

import copy
import gc
import warnings
import weakref
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.curvature.exactness import (
    Folded,
    Pair,
    Positions,
    Projected,
    assert_close,
    capture_of,
    default_loss,
    record,
    small_conv,
)
from vogn_app import UnsupportedLayerError
from vogn_app.curvature import FisherPass
from vogn_app.curvature.fisher import without_hooks
from vogn_app.likelihoods import Bernoulli, Categorical, Gaussian


class Remembered:
    """A likelihood that keeps the labels it drew."""

    def __init__(self, likelihood):
        self.likelihood, self.labels = likelihood, []
        self.loss = likelihood.loss

    def draw(self, outputs, generator):
        self.labels.append(self.likelihood.draw(outputs, generator))
        return self.labels[-1]


def fisher(likelihood):
    """A pass whose generator starts from one seed in every block."""
    source = torch.Generator().manual_seed(7)
    drawn = Remembered(likelihood)
    return FisherPass(drawn, lambda device: source), drawn.labels


def user_loss(output):
    """The user's own loss: another than the likelihood's."""
    return output.sin().mean() + output.square().mean()


def block(capture, model, inputs, likelihood):
    """Squares, labels and the user's gradients of one block with one batch."""
    model.zero_grad()
    drawn, labels = fisher(likelihood)
    with capture.recording(fisher=drawn) as recording:
        user_loss(model(*inputs)).backward()
    gradients = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
    assert recording.squares.plain
    assert len(labels) == 1
    return recording.squares, labels[0], gradients


def looped(model, inputs, labels, likelihood):
    """Sum over examples of squared gradients at the labels, one after the other."""

    def loss_of(i):
        output = model(*(x[i : i + 1] for x in inputs))
        return likelihood.loss(output, labels[i : i + 1])

    rows = example_gradients(model, loss_of, len(labels))
    return {name: row.square().sum(0) for name, row in rows.items()}


def plain_gradients(model, inputs):
    """What the user's backward pass gives without any of this."""
    model.zero_grad()
    user_loss(model(*inputs)).backward()
    return {k: p.grad for k, p in model.named_parameters() if p.grad is not None}


def assert_exact(model, *inputs, likelihood=None, bitwise=True):
    """Record twice, proved and then not; squares and the user's gradients are right."""
    likelihood, capture = likelihood or Categorical(), capture_of(model)
    expected = plain_gradients(model, inputs)
    for _ in range(2):
        squares, labels, gradients = block(capture, model, inputs, likelihood)
        assert squares.num_examples == len(inputs[0])
        assert_close(squares.sums, looped(model, inputs, labels, likelihood))
        assert_close(gradients, expected)
        if bitwise:
            same = [n for n, g in gradients.items() if torch.equal(g, expected[n])]
            assert same == list(expected)
    return capture


# --- squares and gradients, layer by layer ----------------------------------------


class Recurrent(nn.Module):
    def __init__(self, layer=nn.LSTM):
        super().__init__()
        self.body, self.head = layer(3, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.body(x)[0][:, -1])


class TiedDecoder(nn.Module):
    """Uses the weights of its embedding once more, directly."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 4)

    def forward(self, tokens):
        return F.linear(self.embedding(tokens).tanh().mean(1), self.embedding.weight)


def tied():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    return model


def evaluated():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    model[1].running_mean.normal_()
    return model.eval()


def numbers(*shape):
    return lambda: torch.randn(shape)


def tokens(*shape):
    return lambda: torch.randint(6, shape)


NETWORKS = {
    "linear": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)),
               numbers(5, 3)),
    "tokens": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Flatten(),
                                     nn.Linear(8, 3)), numbers(5, 2, 3)),
    "convolutions": (small_conv, numbers(5, 2, 4, 4)),
    "circular": (lambda: nn.Sequential(
        nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), nn.Flatten(),
        nn.Linear(12, 3)), numbers(5, 2, 4)),
    "embedding": (lambda: Positions(4), tokens(5, 4)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4),
                                         nn.Linear(4, 3)), numbers(5, 3)),
    "batch norm": (evaluated, numbers(5, 3)),
    "lstm": (Recurrent, numbers(5, 4, 3)),
    "broadcast": (Pair, numbers(5, 3)),
    "tied": (tied, numbers(5, 3)),
    "no rule": (lambda: nn.Sequential(nn.Linear(3, 4), nn.PReLU(4), nn.Linear(4, 3)),
                numbers(5, 3)),
    "frozen": (lambda: nn.Sequential(nn.Linear(3, 4).requires_grad_(False),
                                     nn.Linear(4, 3)), numbers(5, 3)),
    "one example": (small_conv, numbers(1, 2, 4, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_squares_are_exact_and_the_users_gradients_untouched(name):
    make, inputs = NETWORKS[name]
    assert_exact(make(), inputs())


@pytest.mark.parametrize(
    "case", [(TiedDecoder, tokens(5, 3)), (Projected, numbers(5, 3))]
)
def test_what_needs_a_second_run_of_the_whole_model_is_exact(case):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*second run of the whole model")
        assert_exact(case[0](), case[1]())


def test_attention_is_exact():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.attention(x, x, x)[0].mean(1))

    # Attention runs in parts within blocks, whatever the curvature.
    assert_exact(Attention(), torch.randn(5, 6, 4), bitwise=False)


@pytest.mark.parametrize(
    ("likelihood", "network"),
    [
        (Gaussian(0.3), lambda: nn.Linear(3, 2)),
        (Bernoulli(), lambda: nn.Linear(3, 2)),
        (Bernoulli(), lambda: nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))),
        (
            Categorical(),
            lambda: nn.Sequential(nn.Linear(3, 8), nn.Unflatten(1, (2, 4))),
        ),
    ],
)
def test_every_likelihood_is_exact(likelihood, network):
    assert_exact(network(), torch.randn(5, 3), likelihood=likelihood)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "network", [small_conv, lambda: nn.Conv2d(2, 8, 3, bias=False)]
)
def test_single_precision_gives_the_users_gradients_bit_by_bit_too(dtype, network):
    model, x = network().to(dtype), torch.randn(9, 2, 4, 4, dtype=dtype)
    expected = plain_gradients(model, (x,))
    for _ in range(2):
        _, _, got = block(capture_of(model), model, (x,), Categorical())
        assert all(torch.equal(got[name], g) for name, g in expected.items())


def at_the_same_labels(model, x, labels):
    """Squares of an ordinary recording whose loss is at these labels."""
    capture = capture_of(model)
    likelihood = Categorical()
    return record(
        capture, model, (x,), lambda row, i: likelihood.loss(row, labels[i : i + 1]),
        reduction="sum",
    )[0]  # fmt: skip


def test_batch_norm_in_train_mode_is_that_of_an_ordinary_recording():
    model, x = small_conv(), torch.randn(6, 2, 4, 4)
    model[1] = nn.BatchNorm2d(3)
    other = copy.deepcopy(model)
    squares, labels, _ = block(capture_of(model), model, (x,), Categorical())
    assert int(model[1].num_batches_tracked) == 1  # no more forward passes
    assert_close(squares.sums, at_the_same_labels(other, x, labels))


def test_dropout_has_one_mask_for_squares_and_gradients():
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    x = torch.randn(6, 3)
    torch.manual_seed(3)
    expected = plain_gradients(model, (x,))
    torch.manual_seed(3)
    squares, labels, gradients = block(capture_of(model), model, (x,), Categorical())
    assert all(torch.equal(gradients[name], g) for name, g in expected.items())
    torch.manual_seed(3)
    assert_close(squares.sums, at_the_same_labels(model, x, labels))


# --- calls ------------------------------------------------------------------------


def test_micro_batches_in_one_block_add_up():
    model, x = small_conv(), torch.randn(7, 2, 4, 4)
    capture = capture_of(model)
    for _ in range(2):
        drawn, labels = fisher(Categorical())
        model.zero_grad()
        with capture.recording(fisher=drawn) as recording:
            for part in (x[:4], x[4:6], x[6:]):
                user_loss(model(part)).backward()
        assert recording.squares.num_examples == 7
        expected = looped(model, (x,), torch.cat(labels), Categorical())
        assert_close(recording.squares.sums, expected)


@pytest.mark.parametrize("first", [True, False])
def test_a_call_without_backward_leaves_no_trace(first):
    model, x, y = small_conv(), torch.randn(5, 2, 4, 4), torch.randn(3, 2, 4, 4)
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(fisher=drawn) as recording:
        with torch.no_grad():
            model(y)
        if first:
            model(y)
        user_loss(model(x)).backward()
        if not first:
            model(y)
    assert recording.squares.num_examples == 5
    expected = looped(model, (x,), labels[int(first)], Categorical())
    assert_close(recording.squares.sums, expected)


def test_a_call_for_the_gradient_of_inputs_alone_leaves_no_trace():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(fisher=drawn) as recording:
        start = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(start).sin().sum(), start)
        moved = x + 0.1 * slope.sign()
        user_loss(model(moved)).backward()
    assert recording.squares.num_examples == 5
    expected = looped(model, (moved,), labels[1], Categorical())
    assert_close(recording.squares.sums, expected)


@pytest.mark.parametrize("together", [True, False])
def test_several_calls_before_a_backward_pass_are_an_error(together):
    model, x = nn.Linear(3, 3), torch.randn(5, 3)
    drawn, _ = fisher(Categorical())
    text = (
        r"^curvature must be 'empirical' when the model is called several times before "
        r"a backward pass, got 2 calls: labels are drawn for each call alone\.$"
    )
    with pytest.raises(RuntimeError, match=text):
        with capture_of(model).recording(fisher=drawn):
            losses = [user_loss(model(x)), user_loss(model(x.cos()))]
            for loss in [sum(losses)] if together else losses:
                loss.backward()


def test_a_second_backward_pass_through_a_call_counts_it_once():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(fisher=drawn) as recording:
        loss = user_loss(model(x))
        loss.backward(retain_graph=True)
        loss.backward()
    assert recording.squares.num_examples == 5
    expected = looped(model, (x,), labels[0], Categorical())
    assert_close(recording.squares.sums, expected)


def test_without_squares_no_labels_are_drawn_and_nothing_but_the_user_runs():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(squares=False, fisher=drawn) as recording:
        user_loss(model(x)).backward()
    assert labels == []
    assert recording.squares.num_examples == 5
    assert recording.squares.sums == {}


def test_an_empty_batch_gives_nothing():
    model = small_conv()
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(fisher=drawn) as recording:
        model(torch.randn(0, 2, 4, 4)).sum().backward()
    assert (recording.squares.sums, recording.squares.num_examples) == ({}, 0)
    assert labels == []


def test_a_pass_that_is_not_finite_is_no_error():
    model, x = nn.Linear(3, 3), torch.full((5, 3), torch.nan)
    capture = capture_of(model)
    squares, _, _ = block(capture, model, (x,), Categorical())
    assert squares.sums["weight"].isnan().all()
    assert capture.verified == set()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda features, logits: {"features": features, "logits": logits},
        lambda features, logits: SimpleNamespace(features=features, logits=logits),
        lambda features, logits: (features.detach().argmax(1), logits),
    ],
)
def test_models_with_several_outputs_are_exact(wrap):
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix, self.head = nn.Parameter(torch.randn(3, 3)), nn.Linear(3, 3)

        def forward(self, x):
            features = x @ self.matrix
            return wrap(features, self.head(features.tanh()))

    def logits_of(output):
        if isinstance(output, dict):
            return output["logits"]
        return output[1] if isinstance(output, tuple) else output.logits

    model, x = Several(), torch.randn(5, 3)
    capture = capture_of(model)
    drawn, labels = fisher(Categorical())
    with capture.recording(fisher=drawn) as recording:
        user_loss(logits_of(model(x))).backward()
    rows = example_gradients(
        model,
        lambda i: F.cross_entropy(logits_of(model(x[i : i + 1])), labels[0][i : i + 1]),
        5,
    )
    assert recording.squares.num_examples == 5
    assert_close(
        recording.squares.sums, {k: r.square().sum(0) for k, r in rows.items()}
    )


# --- what stays as it was ---------------------------------------------------------


def test_gradients_of_parameters_and_inputs_are_the_users_alone():
    model, x = small_conv(), torch.randn(5, 2, 4, 4, requires_grad=True)
    outside = nn.Linear(3, 2)
    drawn, _ = fisher(Categorical())
    kept = torch.ones_like(model[0].weight)
    model[0].weight.grad = kept
    with capture_of(model).recording(fisher=drawn):
        output = model(x)
        assert model[0].weight.grad is kept
        assert kept.eq(1).all()
        assert x.grad is None
        model[0].weight.grad = None
        user_loss(outside(output)).backward()
    got = x.grad.clone()
    x.grad = None
    user_loss(outside(model(x))).backward()
    assert torch.equal(got, x.grad)


def test_hooks_on_parameters_see_the_users_gradients_alone():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    seen, after = [], []
    handle = model[0].weight.register_hook(lambda g: seen.append(g) or g * 2)
    model[0].weight.register_post_accumulate_grad_hook(lambda p: after.append(p))
    expected = plain_gradients(model, (x,))
    seen.clear(), after.clear()
    squares, labels, got = block(capture_of(model), model, (x,), Categorical())
    assert (len(seen), len(after)) == (1, 1)
    assert all(torch.equal(got[name], g) for name, g in expected.items())
    handle.remove()
    assert_close(squares.sums, looped(model, (x,), labels, Categorical()))


def test_hooks_that_are_held_back_return_also_after_an_error():
    x, seen = torch.ones(2, requires_grad=True), []
    x.register_hook(seen.append)
    with pytest.raises(KeyError), without_hooks([x, torch.ones(1)]):
        x.sum().backward()
        raise KeyError
    assert seen == []
    x.sum().backward()
    assert len(seen) == 1


def test_the_users_backward_pass_forms_no_squares(monkeypatch):
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    capture = capture_of(model)
    drawn, _ = fisher(Categorical())
    with capture.recording(fisher=drawn):
        loss = user_loss(model(x))
        for name in ("sums", "chunks"):
            monkeypatch.setattr(f"vogn_app.curvature.evidence.Evidence.{name}", None)
        loss.backward()


def test_nothing_is_kept_though_the_outputs_are():
    model, seen = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)), []
    model[1].register_forward_hook(lambda _m, _a, out: seen.append(weakref.ref(out)))
    capture = capture_of(model)
    drawn, _ = fisher(Categorical())
    with capture.recording(fisher=drawn) as recording:
        output = model(torch.randn(5, 3))
        output.square().sum().backward()
    gc.collect()
    assert len(seen) == 2  # the second from the look at where the examples are
    assert all(ref() is None for ref in seen)
    assert (recording.groups, recording.marks, recording.state) == ([], [], {})
    assert output.shape == (5, 3)


# --- together with the rest of torch ----------------------------------------------


class Checkpointed(nn.Module):
    def __init__(self, reentrant=False):
        super().__init__()
        self.stem, self.head = nn.Linear(3, 4), nn.Linear(4, 3)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Tanh())
        self.scale, self.reentrant = nn.Parameter(torch.randn(4)), reentrant

    def forward(self, x):
        x = self.stem(x).tanh()
        x = checkpoint(self.body, x, use_reentrant=self.reentrant)
        return self.head(x * self.scale)


def test_activation_checkpoints_are_exact():
    capture = assert_exact(Checkpointed(), torch.randn(5, 3))
    assert set(capture.coverage().values()) == {"linear", "layer_norm", "broadcast"}


def test_a_model_that_is_a_checkpoint_itself_is_exact():
    model, x = (
        nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)),
        torch.randn(5, 3),
    )
    drawn, labels = fisher(Categorical())
    with capture_of(model).recording(fisher=drawn) as recording:
        user_loss(checkpoint(model, x, use_reentrant=False)).backward()
    assert len(labels) == 1
    assert_close(recording.squares.sums, looped(model, (x,), labels[0], Categorical()))


def test_a_reentrant_checkpoint_is_torchs_own_error():
    drawn, _ = fisher(Categorical())
    model = Checkpointed(reentrant=True)
    with pytest.raises(RuntimeError, match="use_reentrant=True"):
        with capture_of(model).recording(fisher=drawn):
            model(torch.randn(5, 3))


def test_a_compiled_model_is_exact():
    model, x = small_conv(), torch.randn(5, 2, 4, 4)
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        compiled(x)
    assert_exact(compiled, x)


@pytest.mark.parametrize("network", [small_conv, Folded])
@pytest.mark.parametrize("inside", [True, False])
def test_autocast_gives_the_squares_of_full_precision(network, inside):
    """Labels are drawn from the outputs in bfloat16; the loop takes the same labels."""
    torch.set_default_dtype(torch.float32)
    model = network()
    x = torch.randn(6, 2, 4, 4) if network is small_conv else torch.randn(6, 12)
    drawn, labels = fisher(Categorical())
    cast = torch.autocast("cpu", dtype=torch.bfloat16)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*second run of the whole model")
        with capture_of(model).recording(fisher=drawn) as recording:
            with cast:
                output = model(x)
                loss = user_loss(output.float())
                if inside:
                    loss.backward()
            if not inside:
                loss.backward()
    assert all(s.dtype == torch.float32 for s in recording.squares.sums.values())
    expected = looped(model, (x,), labels[0], Categorical())
    assert_close(recording.squares.sums, expected, relative=0.05)


def test_autocast_leaves_the_users_gradients_bit_by_bit():
    torch.set_default_dtype(torch.float32)
    model, x = small_conv(), torch.randn(6, 2, 4, 4)
    drawn, _ = fisher(Categorical())
    results = []
    for recording in (False, True):
        model.zero_grad()
        with capture_of(model).recording(squares=recording, fisher=drawn):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                output = model(x)
            user_loss(output.float()).backward()
        results.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


# --- errors -----------------------------------------------------------------------


def test_a_parameter_that_the_labelled_output_does_not_see_is_an_error():
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.side = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            return {"logits": self.head(x), "side": self.side(x)}

    model = Auxiliary()
    drawn, _ = fisher(Categorical())
    with pytest.raises(
        UnsupportedLayerError,
        match=r"^squared gradients of side\.weight, side\.bias must come from the out",
    ):
        with capture_of(model).recording(fisher=drawn):
            output = model(torch.randn(5, 3))
            sum(default_loss(x, 0) for x in output.values()).backward()


def test_parts_of_the_model_called_by_hand_are_an_error():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    drawn, _ = fisher(Categorical())
    with pytest.raises(
        UnsupportedLayerError, match="call the model that the optimizer"
    ):
        with capture_of(model).recording(fisher=drawn):
            model[2](model[0](torch.randn(5, 3))).sum().backward()


def test_outputs_that_are_no_logits_are_an_error():
    drawn, _ = fisher(Categorical())
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="use likelihood='bernoulli' or 'gaussian'"):
        with capture_of(model).recording(fisher=drawn):
            model(torch.randn(5, 3))


def test_a_sparse_gradient_is_an_error_that_names_its_parameter():
    model = Positions(3)
    model.token = nn.Embedding(7, 4, sparse=True)
    drawn, _ = fisher(Categorical())
    with pytest.raises(UnsupportedLayerError, match=r"token\.weight must be dense"):
        with capture_of(model).recording(fisher=drawn):
            model(torch.randint(7, (5, 3)))
