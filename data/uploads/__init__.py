"""Datasets that came through a browser: checked, kept as one file each, and deleted.

What a stranger packed is never unpacked to disk as it is: images are decoded, brought
to one size and written anew into one .npz file that `data.image_file` reads. So no
name, link, metadata or damaged file of an archive outlives the check. Torch-free.
"""

from data.uploads.keep import keep
from data.uploads.limits import Limits, limits
from data.uploads.store import Upload, delete, find, listing, uploads_folder

__all__ = [
    "Limits",
    "Upload",
    "delete",
    "find",
    "keep",
    "limits",
    "listing",
    "uploads_folder",
]
