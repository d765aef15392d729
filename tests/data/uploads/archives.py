"""Archives as people pack them, and as those do who mean harm."""

import io
import struct
import zipfile

import numpy as np
from PIL import Image

SYMLINK, DEVICE = 0o120777, 0o020666


def image(width=12, height=10, mode="RGB", form="png", seed=0, **options):
    """An image's file, of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    picture = Image.fromarray(pixels, "RGBA" if mode == "RGBA" else None)
    file = io.BytesIO()
    picture.convert(mode).save(file, form, **options)
    return file.getvalue()


def classes(names=("cat", "dog"), per_class=4, top="", **options):
    """Members of an archive, by path."""
    return {
        f"{top}{name}/{k}.png": image(seed=10 * place + k, **options)
        for place, name in enumerate(names)
        for k in range(per_class)
    }


def packed(members, method=zipfile.ZIP_DEFLATED):
    """A zip of members by path."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def with_entry(name, content, mode=None, **attributes):
    """A good archive with one more entry, of which the list of files says what is told.

    Args:
        name: Its path.
        content: Its bytes.
        mode: What Unix calls its kind.
        **attributes: Of its `ZipInfo`.
    """
    file = packed(classes())
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("placeholder")
        entry.compress_type = zipfile.ZIP_DEFLATED
        if mode is not None:
            entry.create_system, entry.external_attr = 3, mode << 16
        archive.writestr(entry, content)
        entry.filename = entry.orig_filename = name
        for key, value in attributes.items():
            setattr(entry, key, value)
    return file


def patched(file, old, new):
    """An archive with some bytes replaced everywhere."""
    content = file.getvalue()
    assert len(old) == len(new)
    assert old in content
    return io.BytesIO(content.replace(old, new))


def overlapping(count=40, size=2**20):
    """A bomb of entries that all share one packed member, as Fifield's does."""
    file = packed({"a/0.png": bytes(size)})
    content = file.getvalue()
    place = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entry = content[place:end]
    directory = b"".join(
        entry.replace(b"a/0.png", f"a/{chr(48 + k)}.png".encode()) for k in range(count)
    )
    tail = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), place, 0
    )
    return io.BytesIO(content[:place] + directory + tail)


def arrays(**values):
    """An .npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **values)
    return file


def labelled(count=30, shape=(6, 5), num_classes=3, seed=0):
    """Images and labels of an .npz file."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
    return {"images": images, "labels": np.arange(count) % num_classes}


# Headers of arrays that NumPy does not answer with an error of its own.
UNCLOSED = "{'descr':'|u1','fortran_order':False,'shape':(4,("
NESTED = "(" * 9_000
ENDLESS = "{'descr':'|u1','fortran_order':False,'shape':(%s,)}" % 10**30
EMPTY = "{'descr':(),'fortran_order':False,'shape':(4,)}"


def with_header(header: str, name: str = "labels") -> io.BytesIO:
    """An .npz file of one array whose header is given, and four bytes."""
    file, content = io.BytesIO(), header.encode()
    with zipfile.ZipFile(file, "w") as archive:
        size = len(content).to_bytes(2, "little")
        archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + size + content + b"1234")
    file.seek(0)
    return file


def long_header(name="labels", length=2**20):
    """An .npz file of one array, whose header is blanks that pack to very little."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        size = length.to_bytes(4, "little")
        archive.writestr(f"{name}.npy", b"\x93NUMPY\x02\x00" + size + b" " * length)
    return file


def with_two_ends(wide=False):
    """A zip whose end holds bytes that look like an end, where one may search for it.

    Args:
        wide: Whether the length of the list of files is told in the way of large zips.
    """
    content, mark = packed(classes()).getvalue(), b"PK\x05\x06"
    end = bytearray(content[-22:])
    size = int.from_bytes(end[12:16], "little")
    end[16:20] = mark  # where the list begins, for which `zipfile` has a second way
    if not wide:
        return io.BytesIO(content[:-22] + bytes(end))
    end[12:16] = b"\0" * 4
    wider = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 8, 8, size, 0)
    place = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(content) - 22, 1)
    return io.BytesIO(content[:-22] + wider + place + bytes(end))
