"""The trackers a run can be mirrored to, as data. Standard library only."""

from dataclasses import dataclass
from importlib.util import find_spec

SETTING = "VOGN_MIRRORS"


@dataclass(frozen=True)
class MirrorSpec:
    """One tracker.

    Args:
        name: What the setting calls it.
        module: What has to be importable.
        packages: Packages that bring the module, the lightest first.
    """

    name: str
    module: str
    packages: tuple[str, ...]


MIRRORS = {
    spec.name: spec
    for spec in (
        MirrorSpec("tensorboard", "tensorboard", ("tensorboard",)),
        MirrorSpec("mlflow", "mlflow", ("mlflow-skinny", "mlflow")),
        MirrorSpec("wandb", "wandb", ("wandb",)),
    )
}


def names_from(text: str, setting: str = SETTING) -> tuple[str, ...]:
    """The mirrors that a setting such as "tensorboard,mlflow" asks for.

    Args:
        text: Names with commas or spaces between them; "" for none.
        setting: What an error calls the setting.

    Returns:
        Each name once, in the order given.

    Raises:
        ValueError: If a name is none of `MIRRORS`.
    """
    names = tuple(dict.fromkeys(text.lower().replace(",", " ").split()))
    for name in names:
        if name not in MIRRORS:
            known = ", ".join(MIRRORS)
            raise ValueError(f"{setting} must name some of {known}, got {name!r}.")
    return names


def missing(name: str) -> str:
    """What has to be installed for a mirror: a sentence, "" if nothing.

    Args:
        name: One of `MIRRORS`.

    Returns:
        The sentence, which names the packages.
    """
    spec = MIRRORS[name]
    found = find_spec(spec.module)
    # A folder of that name, as trackers leave in the working directory, is no package.
    if found is not None and found.origin is not None:
        return ""
    packages = " or ".join(spec.packages)
    return (
        f"mirror {name!r} needs the package {packages}: pip install {spec.packages[0]}"
    )
