"""Writers of small datasets in the genuine formats, for the tests to read back."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

IDX_NAMES = {True: "train", False: "t10k"}


def idx_bytes(array):
    """Encode an array of bytes as an idx file."""
    array = np.asarray(array, dtype=np.uint8)
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def labelled_images(num_images, shape, num_classes=10, seed=0):
    """Draw random images [N, *shape] whose labels run through the classes."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (num_images, *shape), dtype=np.uint8)
    return images, np.arange(num_images) % num_classes


def write_idx_set(folder, num_train=40, num_test=20, packed=True):
    """Write the four files of a set like MNIST; return what was written by part."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for train, count in ((True, num_train), (False, num_test)):
        images, labels = labelled_images(count, (28, 28), seed=int(train))
        for stem, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx_bytes(array)
            path = folder / f"{IDX_NAMES[train]}-{stem}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content, 1) if packed else content)
        written[train] = images, labels
    return written


def write_cifar(cache, name, num_train=200, num_test=100):
    """Write CIFAR-10 or -100 as torchvision unpacks it.

    Returns what was written by part, and the MD5 sum of each file.
    """
    ten = name == "cifar10"
    folder = cache / ("cifar-10-batches-py" if ten else "cifar-100-python")
    folder.mkdir(parents=True, exist_ok=True)
    num_classes, label_key = (10, "labels") if ten else (100, "fine_labels")
    train, test = (
        labelled_images(count, (3, 32, 32), num_classes, seed=count)
        for count in (num_train, num_test)
    )
    batches = [f"data_batch_{i}" for i in range(1, 6)] if ten else ["train"]
    pieces = zip(
        np.array_split(train[0], len(batches)),
        np.array_split(train[1], len(batches)),
        strict=True,
    )
    parts = dict(zip(batches, pieces, strict=True))
    parts["test_batch" if ten else "test"] = test
    for file, (images, labels) in parts.items():
        pickled = _python2_pickle({"data": images.reshape(-1, 3072), label_key: labels})
        (folder / file).write_bytes(pickled)
    meta, names_key = (
        ("batches.meta", "label_names") if ten else ("meta", "fine_label_names")
    )
    names = [f"class {i}" for i in range(num_classes)]
    (folder / meta).write_bytes(_python2_pickle({names_key: names}))
    return {True: train, False: test}, {p.name: md5(p) for p in folder.iterdir()}


def write_svhn(cache, num_train=40, num_test=20):
    """Write SVHN's two MATLAB files, where the digit 0 has label 10."""
    cache.mkdir(parents=True, exist_ok=True)
    written = {}
    for train, count in ((True, num_train), (False, num_test)):
        images, labels = labelled_images(count, (3, 32, 32), seed=count)
        content = {
            "X": images.transpose(2, 3, 1, 0),
            "y": np.where(labels == 0, 10, labels).astype(np.uint8)[:, np.newaxis],
        }
        scipy.io.savemat(svhn_path(cache, train), content)
        written[train] = images, labels
    return written, {p.name: md5(p) for p in cache.glob("*.mat")}


def svhn_path(cache, train):
    return cache / f"{'train' if train else 'test'}_32x32.mat"


def write_image_folder(folder, classes=("cat", "dog"), per_class=10, mode="RGB"):
    """Write a folder of PNG images, 6 wide and 5 high; return the pixels by file."""
    generator = np.random.default_rng(0)
    pixels = {}
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            shape = (5, 6) if mode == "L" else (5, 6, 3)
            array = generator.integers(0, 256, shape, dtype=np.uint8)
            path = folder / name / f"{number:03}.png"
            Image.fromarray(array).save(path)
            pixels[path] = array
    return pixels


def md5(path: Path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _python2_pickle(value):
    """Pickle as Python 2 and its NumPy did, which is how CIFAR was written.

    Those pickles name `numpy.core`, hold byte strings, and give the dtype's flags as
    integers, none of which today's `pickle.dumps` would exercise.
    """
    return b"\x80\x02" + _encode(value) + b"."


def _encode(value):
    if isinstance(value, dict):
        items = b"".join(_encode(k) + _encode(v) for k, v in value.items())
        return b"}(" + items + b"u"
    if isinstance(value, str | bytes):
        raw = value.encode() if isinstance(value, str) else value
        return b"T" + struct.pack("<i", len(raw)) + raw
    if isinstance(value, np.ndarray) and value.ndim == 2:
        return _encode_array(value)
    if isinstance(value, int | np.integer):
        return b"J" + struct.pack("<i", value)
    return b"](" + b"".join(_encode(item) for item in value) + b"e"


def _encode_array(array):
    dtype = b"cnumpy\ndtype\n(" + _encode("u1") + b"K\x00K\x01tR"
    dtype += b"(K\x03" + _encode("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
    empty += b"(K\x00t" + _encode("b") + b"tR"
    shape = b"(" + b"".join(_encode(length) for length in array.shape) + b"t"
    return (
        empty + b"(K\x01" + shape + dtype + b"\x89" + _encode(array.tobytes()) + b"tb"
    )
