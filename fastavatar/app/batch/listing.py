"""Which photos there are: those of a folder, of a pattern, of a list, or of standard input."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fastavatar.app.batch.storage import files_below, is_address, join, read
from fastavatar.errors import InputError
from fastavatar.results.outputs import PREVIEW, SUMMARY

PICTURES = frozenset(".jpg .jpeg .jpe .jfif .png .webp .heic .heif .hif .avif .tif .tiff .bmp .gif".split())
"""Endings of what a folder is searched for; patterns and lists may name files of any ending."""
LISTS = frozenset({".txt", ".lst"})
STDIN = "-"


@dataclass(frozen=True)
class Listing:
    """Photos, and the folder their structure is mirrored from."""

    photos: list[str]
    """Each once, in the order they are to be done."""
    base: str
    """Results of `base/a/me.jpg` go to `a/me.jpg` of the output folder."""


def names_many(image: str) -> bool:
    """Whether what was given for a photo stands for many: a folder, a pattern, a list or standard input.

    So does any address: it takes the machinery for many to fetch even one.
    """
    if image == STDIN or is_address(image) or os.path.isdir(image):
        return True
    is_file = os.path.exists(image)
    return Path(image).suffix.lower() in LISTS if is_file else glob.has_magic(image)


def list_photos(image: str, output_dir: str) -> Listing:
    """The photos that `image` stands for; those inside `output_dir` are results, not photos.

    Lines of a list are addresses, or paths as they are seen from the working folder. Raises `InputError` when
    there is no photo, or the list cannot be read.
    """
    if image == STDIN:
        listing = Listing(_unique(_lines(sys.stdin.buffer)), os.curdir)
    elif is_address(image):
        listing = _at_address(image, output_dir)
    elif os.path.isdir(image):
        listing = Listing(list(_in_folder(image, os.path.abspath(output_dir))), image)
    elif os.path.exists(image) and Path(image).suffix.lower() not in LISTS:
        listing = Listing([image], os.path.dirname(image))
    elif glob.has_magic(image) and not os.path.exists(image):
        inside = os.path.join(os.path.abspath(output_dir), "")
        matches = (path for path in glob.iglob(image, recursive=True) if os.path.isfile(path))
        found = sorted(path for path in matches if not os.path.abspath(path).startswith(inside))
        listing = Listing(found, _before_magic(image))
    else:
        listing = Listing(_unique(_of_list(image)), os.curdir)
    if not listing.photos:
        raise InputError(f"no photos in {'standard input' if image == STDIN else image}")
    return listing


def _at_address(address: str, output_dir: str) -> Listing:
    """Photos at an address: of a folder where it ends with a slash, of a list, or the one it names."""
    if address.endswith("/"):
        return Listing(list(_below(address, join(output_dir, ""))), address)
    if Path(address).suffix.lower() in LISTS:
        return Listing(_unique(_lines(read(address).splitlines())), os.curdir)
    return Listing([address], address.rpartition("/")[0])


def _below(address: str, output_dir: str) -> Iterator[str]:
    """What `_in_folder` yields, of a folder at an address."""
    files = list(files_below(address))
    results = {file.removesuffix(SUMMARY) for file in files if file.endswith(f"/{SUMMARY}")}
    for file in files:
        hidden = "/." in file.removeprefix(address.rstrip("/"))
        is_preview = file.endswith(f"/{PREVIEW}") and file.removesuffix(PREVIEW) in results
        if _is_picture(file) and not (hidden or is_preview or file.startswith(output_dir)):
            yield file


def _is_picture(path: str) -> bool:
    hidden = os.path.basename(path).startswith(".")
    return not hidden and os.path.splitext(path)[1].lower() in PICTURES


def _in_folder(folder: str, output_dir: str) -> Iterator[str]:
    """Pictures anywhere below `folder`, in order; hidden ones, `output_dir` and earlier previews are none."""
    for place, folders, files in os.walk(folder):
        inside = [name for name in folders if not name.startswith(".")]
        folders[:] = sorted(
            name for name in inside if os.path.abspath(os.path.join(place, name)) != output_dir
        )
        for name in sorted(files):
            is_preview = name == PREVIEW and SUMMARY in files
            if _is_picture(name) and not is_preview:
                yield os.path.join(place, name)


def _of_list(path: str) -> list[str]:
    try:
        with open(path, "rb") as lines:
            return list(_lines(lines))
    except OSError as error:
        raise InputError(f"cannot read the list {path}: {(error.strerror or str(error)).lower()}") from error


def _lines(lines: Iterable[bytes]) -> Iterator[str]:
    """What stands on each line that is not blank, of any system's line breaks and any bytes."""
    for line in lines:
        text = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n"))
        if text.strip():
            yield text


def _unique(photos: Iterable[str]) -> list[str]:
    """Each file once, under the first name it has."""
    named: dict[str, str] = {}
    for photo in photos:
        named.setdefault(photo if is_address(photo) else os.path.abspath(photo), photo)
    return list(named.values())


def _before_magic(pattern: str) -> str:
    """The folder that every match of a pattern lies in."""
    parts = Path(pattern).parts
    return str(Path(*(parts[: next(i for i, part in enumerate(parts) if glob.has_magic(part))])))
