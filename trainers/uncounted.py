"""What no estimate of a run has in it, in words. Torch-free.

`trainers.estimate` measures steps, predictions and draws. What a method does once, when
the last step is done, grows with the data and is not measured.
"""

from trainers.config import RunConfig

_SWEEP = "Not counted: {} pass over the training data at the end, "
# How many backward passes the curvature takes, by hyper-parameter `curvature`.
_BACKWARD = {
    "exact": "with as many backward passes as there are classes",
    "fisher": "with a backward pass",
    "empirical": "with a backward pass",
}
_FULL = "; of structure full what follows takes longer the more weights the layer has"


def uncounted(config: RunConfig) -> str:
    """What takes time at the end and was not measured.

    Args:
        config: The run.

    Returns:
        A sentence, "" where there is nothing.
    """
    values = config.optimizer.hyperparameters
    if config.optimizer.name == "swag":
        return _SWEEP.format("SWAG's") + "where the network has BatchNorm."
    if config.optimizer.name == "laplace":
        full = _FULL if values["structure"] == "full" else ""
        return _SWEEP.format("Laplace's") + _BACKWARD[values["curvature"]] + full + "."
    return ""
