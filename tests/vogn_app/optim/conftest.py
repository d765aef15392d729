"""With the native kernels and without them."""

import pytest

from vogn_app import kernels


@pytest.fixture(params=["native", "torch"])
def kernels_and_none(request, monkeypatch):
    """Runs a test twice; where nothing can be compiled, both runs are of torch."""
    if request.param == "torch":
        monkeypatch.setattr(kernels, "supports", lambda *tensors: False)
