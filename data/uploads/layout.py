"""Which file of an archive belongs to which class: only paths are looked at here."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.catalogue import DatasetError
from data.classes import check_enough, checked_names
from data.uploads.archive import name_of, parts

_TRAIN = {"train", "training"}
_TEST = {"test", "testing"}
_VALIDATION = {"val", "valid", "validation"}
MIN_IMAGES = 3  # one each for training, validation and test
Files = Mapping[str, Sequence[zipfile.ZipInfo]]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The images of an archive.

    Args:
        class_names: Sorted.
        images: The files of each class, in the order of `class_names`.
        test: The same of the test part, () where there is none.
        notes: What a person should know of it.
    """

    class_names: tuple[str, ...]
    images: tuple[tuple[zipfile.ZipInfo, ...], ...]
    test: tuple[tuple[zipfile.ZipInfo, ...], ...]
    notes: tuple[str, ...]


def layout(members: Sequence[zipfile.ZipInfo]) -> Layout:
    """Tell classes, training and test part by the folders that the files lie in.

    Args:
        members: Files and folders, checked.

    Returns:
        The images by class.

    Raises:
        DatasetError: If the folders are not one a class, there are fewer than two
            classes, or one has too few images.
    """
    paths = {member: parts(member) for member in members if member.filename.strip("/")}
    paths = _below_the_top(paths)
    inner, roles = _by_part(paths)
    train, test = _by_class(inner, roles, _TRAIN | _VALIDATION), {}
    notes = []
    if _TEST & {*roles.values()}:
        test = _by_class(inner, roles, _TEST)
        notes.append("The folder test is kept as the test part.")
        if _VALIDATION & {*roles.values()}:
            notes.append(
                "The folder of validation images joins the training part, of which the "
                "run holds out a share of its own."
            )
    elif _VALIDATION & {*roles.values()}:
        train = _by_class(inner, roles, _TRAIN)
        test = _by_class(inner, roles, _VALIDATION)
        notes.append("The folder of validation images is kept as the test part.")
    return _checked(train, test, notes)


def _below_the_top(
    paths: Mapping[zipfile.ZipInfo, tuple[str, ...]],
) -> dict[zipfile.ZipInfo, tuple[str, ...]]:
    """Leave out folders that hold everything, down to where paths part."""
    files = [path for member, path in paths.items() if not member.is_dir()]
    if not files:
        raise DatasetError("The archive must hold images in class folders, got none.")
    depth = 0
    # A file's own folder is its class, so two parts at least stay.
    while all(
        len(path) > depth + 2 and path[depth] == files[0][depth] for path in files
    ) and _alone(paths, depth):
        depth += 1
    return {m: path[depth:] for m, path in paths.items() if len(path) > depth}


def _alone(paths: Mapping[zipfile.ZipInfo, tuple[str, ...]], depth: int) -> bool:
    """Whether there is one folder only at a depth, empty ones included."""
    return len({path[depth] for path in paths.values() if len(path) > depth}) == 1


def _by_part(
    paths: Mapping[zipfile.ZipInfo, tuple[str, ...]],
) -> tuple[dict[zipfile.ZipInfo, tuple[str, ...]], dict[zipfile.ZipInfo, str]]:
    """Tell the training and the test part, where folders of these names are on top.

    Returns:
        The paths below, and the name of the folder of each file, "train" without any.
    """
    tops = {path[0].casefold() for path in paths.values()}
    deep = any(len(path) > 2 for path in paths.values())
    if tops <= _TRAIN | _TEST | _VALIDATION and tops & _TRAIN and deep:
        roles = {member: path[0].casefold() for member, path in paths.items()}
        inner = {member: path[1:] for member, path in paths.items() if path[1:]}
        return inner, roles
    return dict(paths), dict.fromkeys(paths, "train")


def _by_class(
    paths: Mapping[zipfile.ZipInfo, tuple[str, ...]],
    roles: Mapping[zipfile.ZipInfo, str],
    wanted: set[str],
) -> dict[str, list[zipfile.ZipInfo]]:
    found: dict[str, list[zipfile.ZipInfo]] = {}
    for member, path in paths.items():
        if roles[member] not in wanted:
            continue
        if member.is_dir() and len(path) == 1:
            found.setdefault(path[0], [])
        elif not member.is_dir():
            _check_depth(member, path)
            found.setdefault(path[0], []).append(member)
    return found


def _check_depth(member: zipfile.ZipInfo, path: Sequence[str]) -> None:
    """Refuse a file that lies in no class folder, or deeper than in one.

    Raises:
        DatasetError: If this one does.
    """
    if len(path) < 2:
        raise DatasetError(
            f"{name_of(member)!r} must lie in a class folder, got it beside them."
        )
    if len(path) > 2:
        raise DatasetError(
            f"{name_of(member)!r} must lie in a class folder, got it in a folder "
            "inside one."
        )


def _checked(train: Files, test: Files, notes: Sequence[str]) -> Layout:
    """Put the parts together, if there is enough of each class.

    Raises:
        DatasetError: If there is not.
    """
    folders = sorted(train)
    _check_folders(folders, test)
    try:
        names = checked_names(folders)
        _check_counts(folders, train, MIN_IMAGES - bool(test), "images")
        if test:
            _check_counts(folders, test, 1, "test images")
    except ValueError as error:
        raise DatasetError(f"The archive cannot be used: {error}") from None
    return Layout(
        class_names=names,
        images=tuple(tuple(train[name]) for name in folders),
        test=tuple(tuple(test[name]) for name in folders) if test else (),
        notes=tuple(notes),
    )


def _check_folders(folders: Sequence[str], test: Files) -> None:
    """Refuse too few class folders, or one that the test part alone has.

    Raises:
        DatasetError: If it is so.
    """
    if len(folders) < 2:
        raise DatasetError(
            "The archive must hold at least 2 class folders, got "
            f"{', '.join(folders) or 'none'}."
        )
    for name in test:
        if name not in folders:
            raise DatasetError(
                "The test part must have the classes of the training part, got "
                f"{name!r}."
            )


def _check_counts(folders: Sequence[str], files: Files, least: int, what: str) -> None:
    counts = np.array([len(files.get(name, ())) for name in folders])
    check_enough(counts, folders, least, what)
