"""Step by step the same as the authors' package, where that is right.

It is given our noise. Beyond these cases it differs: it counts steps anew after a
checkpoint, gives micro-batches of any size the same weight, and squares of mean
gradients ("gradsq") another power of N. It takes no damping and no temperature: N / tau
is its `ess`, tau delta / N its `weight_decay`.
"""

import pytest
import torch
from torch.nn import functional as F

from tests.vogn_app.optim.networks import batch, network
from vogn_app import IVON

original = pytest.importorskip("ivon")

NUM_DATA, PRIOR, START, DECAY = 50, 2.0, 0.3, 0.9
OPTIONS = {
    "plain": {},
    "not rescaled": {"rescale_lr": False},
    "not corrected": {"debias": False},
    "clipped": {"clip_radius": 0.3},
}


def standard_noise(model, means, precision):
    """The normals behind the draw that is in the model."""
    named = zip(model.named_parameters(), means, strict=True)
    return torch.cat([
        ((w.detach() - mean) * precision[name].sqrt()).flatten()
        for (name, w), mean in named
    ])


@pytest.mark.parametrize("num_samples", [1, 2])
@pytest.mark.parametrize("tau", [1.0, 0.3])
@pytest.mark.parametrize("case", OPTIONS)
def test_steps_are_those_of_the_original(case, tau, num_samples, monkeypatch):
    ours, theirs = network(), network()
    theirs.load_state_dict(ours.state_dict())
    optimizer = IVON(
        ours, num_data=NUM_DATA, lr=0.1, initial_curvature=START, prior_precision=PRIOR,
        curvature_decay=DECAY, temperature=tau, damping=0.0, **OPTIONS[case],
    )  # fmt: skip
    reference = original.IVON(
        theirs.parameters(), lr=0.1, ess=NUM_DATA / tau, hess_init=START, beta2=DECAY,
        weight_decay=tau * PRIOR / NUM_DATA, **OPTIONS[case],
    )  # fmt: skip
    for _ in range(5):
        x, y = batch()
        precision = optimizer.posterior_precision()
        means = [p.detach().clone() for p in ours.parameters()]
        for _ in range(num_samples):
            with optimizer.sampled_params(train=True):
                noise = standard_noise(ours, means, precision)
                F.cross_entropy(ours(x), y).backward()
            monkeypatch.setattr(torch, "randn", lambda *_, z=noise, **__: z)
            with reference.sampled_params(train=True):
                theirs.zero_grad()
                F.cross_entropy(theirs(x), y).backward()
            monkeypatch.undo()
        optimizer.step()
        reference.step()
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    hess = reference.param_groups[0]["hess"]
    curvatures = [optimizer.state[p]["curvature"].flatten() for p in ours.parameters()]
    torch.testing.assert_close(torch.cat(curvatures), hess, rtol=1e-11, atol=1e-13)
