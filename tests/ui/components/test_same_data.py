"""Tests of `ui/components/same_data.py`."""

import numpy as np
import pytest

from tests.ui.views.compare.examples import run_of, views_of
from trainers.runs import RunError
from ui.components.same_data import by_data, examples, may_be_same_images


def own(root, name, folder, **details):
    data = {"name": "folder", "folder": folder}
    return run_of(root, name, settings={"dataset": data}, **details)


def gathered(*runs):
    return [[view.run.id for view in views] for views in by_data(views_of(*runs))]


def keep(run, images, rows):
    np.savez(run.images, images=np.asarray(images, np.uint8), rows=np.asarray(rows))


def test_results_tell_whether_folders_of_one_name_are_the_same(root):
    here, there = own(root, "a", "/here/cats"), own(root, "b", "/there/cats")
    # Of one that was not evaluated nothing tells, unless its folder is a known one.
    later = own(root, "c", "/there/cats", evaluated=False)
    new = own(root, "d", "/new/cats", evaluated=False)
    others = own(root, "e", "/here/dogs"), run_of(root, "f")
    assert gathered(here, there, later, new, *others) == [
        ["a", "b", "c"], ["d"], ["e"], ["f"],
    ]  # fmt: skip
    with np.load(there.predictions) as old:
        content = dict(old)
    np.savez(there.predictions, **(content | {"indices": content["indices"][::-1]}))
    assert gathered(here, there) == [["a"], ["b"]]
    there.predictions.write_bytes(b"nothing")
    assert gathered(here, there) == [["a"], ["b"]]
    with pytest.raises(RunError):
        examples(*views_of(there))


def test_images_that_differ_are_no_same_data(root):
    first, second = own(root, "a", "/here/cats"), own(root, "b", "/there/cats")
    one, other = views_of(first, second)
    assert may_be_same_images(one, other)  # none was kept
    faces = np.arange(5 * 36).reshape(5, 6, 6)
    keep(first, faces, [0, 3, 5, 8, 9])
    keep(second, faces[1:3] + 2, [3, 5])  # as another program decodes them
    assert may_be_same_images(one, other)
    keep(second, faces[1:3], [5, 8])
    assert not may_be_same_images(one, other)
    assert gathered(first, second) == [["a"], ["b"]]
    keep(second, np.zeros((2, 6, 6, 3)), [3, 5])
    assert not may_be_same_images(one, other)
    keep(second, np.zeros((2, 6, 6, 3)), [1, 2])  # of other examples, no word
    assert may_be_same_images(one, other)
