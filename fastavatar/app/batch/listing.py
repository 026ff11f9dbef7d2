"""The photos that a folder, a pattern, a list or standard input stands for."""

import codecs
import glob
import logging
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastavatar.app.batch import (
    Found,
    before_magic,
    files_below,
    is_address,
    join,
    read,
    search_folder,
    search_pattern,
)
from fastavatar.errors import InputError
from fastavatar.images import is_photo_name
from fastavatar.results import PREVIEW, SUMMARY

log = logging.getLogger(__name__)

LISTS = frozenset({".txt", ".lst"})
STDIN = "-"
MAX_LIST_BYTES = 1 << 28
"""Bytes of the longest list that is read: 256 MiB name millions of photos. It also bounds endless devices."""
_BYTE_ORDER_MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"} | {
    codecs.BOM_UTF16_LE: "utf-16",  # must follow UTF-32, whose marks begin with the same bytes
    codecs.BOM_UTF16_BE: "utf-16",
}
_MOST_REASONS = 6
"""Most reasons that a message gives for skipped files."""


@dataclass(frozen=True)
class Listing:
    """Photos, and the folder whose structure the results mirror."""

    photos: list[str]
    """Paths or addresses, each once, in the order of work."""
    base: str
    """Folder or address: results of `base/a/me.jpg` go to `a/me.jpg` in the output folder."""
    unreadable: list[str] = field(default_factory=list)
    """Folders that could not be searched, each with the reason."""


def names_many(image: str) -> bool:
    """Whether `image` stands for many photos: a folder, a pattern, a list, standard input, or an address.

    An address of one photo counts, because only the code for many photos can fetch it.
    """
    if image == STDIN or is_address(image) or os.path.isdir(image):
        return True
    is_file = os.path.exists(image)
    return Path(image).suffix.lower() in LISTS if is_file else glob.has_magic(image)


def list_photos(image: str, output_dir: str) -> Listing:
    """The photos that `image` stands for, without pictures inside `output_dir`, which are results.

    Lines of a list are addresses, or paths relative to the working folder. The log names folders that could
    not be read and counts skipped files. Raises `InputError` when there is no photo or the list cannot be
    read.
    """
    if image == STDIN:
        if sys.stdin is None:
            raise InputError("cannot read the list on standard input: it is closed")
        listing = Listing(_unique(_lines(sys.stdin.buffer, "on standard input")), os.curdir)
    elif is_address(image):
        listing = _at_address(image, output_dir)
    elif os.path.isdir(image):
        listing = _searched(search_folder(image, output_dir, _why_not), image)
    elif os.path.exists(image) and Path(image).suffix.lower() not in LISTS:
        listing = Listing([image], os.path.dirname(image))
    elif glob.has_magic(image) and not os.path.exists(image):
        listing = _searched(search_pattern(image, output_dir), before_magic(image))
    else:
        listing = Listing(_unique(_of_list(image)), os.curdir)
    if not listing.photos:
        unread = f"; cannot read {listing.unreadable[0]}" if listing.unreadable else ""
        raise InputError(f"no photos in {'standard input' if image == STDIN else image}{unread}")
    return listing


def _searched(found: Found, base: str) -> Listing:
    """The photos found below `base`; the log names unreadable folders and counts skipped files."""
    for folder in found.unreadable:
        log.warning("cannot read the folder %s", folder)
    if found.passed_over:
        reasons = [f"{count} {reason[:40]}" for reason, count in found.passed_over.most_common()]
        others = len(reasons) - _MOST_REASONS
        named = ", ".join(reasons[:_MOST_REASONS]) + (f" and {others} other kinds" if others > 0 else "")
        log.info("skipped in %s: %s", base or os.curdir, named)
    return Listing(found.files, base, found.unreadable)


def _at_address(address: str, output_dir: str) -> Listing:
    """Photos at an address, which names a folder if it ends with a slash, else a list or one photo."""
    if address.endswith("/"):
        return _searched(_below(address, join(output_dir, "")), address)
    if Path(address).suffix.lower() in LISTS:
        return Listing(_unique(_decoded(read(address), address)), os.curdir)
    return Listing([address], address.rpartition("/")[0])


def _below(address: str, output_dir: str) -> Found:
    """The same as `search_folder`, for a folder at an address."""
    found, beside = Found(), dict[str, set[str]]()
    files = [file for file in files_below(address) if not file.startswith(output_dir)]
    for file in files:
        folder, _, name = file.rpartition("/")
        beside.setdefault(folder, set()).add(name)
    for file in files:
        folder, _, name = file.rpartition("/")
        inside = f"{folder}/".removeprefix(address.rstrip("/"))
        reason = "hidden" if "/." in inside else _why_not(name, beside[folder])
        if reason is None:
            found.files.append(file)
        elif reason:
            found.passed_over[reason] += 1
    return found


def _why_not(name: str, beside: set[str]) -> str | None:
    """Why a file in a folder is no photo; an empty text for earlier results, None for a photo."""
    if name.startswith("."):
        return "hidden"
    if SUMMARY in beside and (name == PREVIEW or not is_photo_name(name)):
        return ""
    return None if is_photo_name(name) else Path(name).suffix.lower() or "without an ending"


def _of_list(path: str) -> list[str]:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"cannot read the list {path}: it is not a regular file")
        with open(path, "rb") as lines:
            return _lines(lines, path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot read the list {path}: {reason}") from error


def _lines(file: BinaryIO, name: str) -> list[str]:
    content = file.read(MAX_LIST_BYTES + 1)
    if len(content) > MAX_LIST_BYTES:
        raise InputError(
            f"cannot read the list {name}: it is larger than {MAX_LIST_BYTES >> 20} MiB; split it"
        )
    return list(_decoded(content, name))


def _decoded(content: bytes, name: str) -> Iterator[str]:
    """The text of each line that is not blank; lines may have any line ending and hold any bytes.

    UTF-16 and UTF-32 are recognised by a byte order mark; otherwise names are the bytes between line breaks.
    """
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            try:
                content = content.decode(encoding).encode("utf-8")
            except UnicodeError as error:
                raise InputError(
                    f"cannot read the list {name}: damaged {encoding.upper()} ({error})"
                ) from None
            break
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        if b"\0" in line:
            raise InputError(
                f"cannot read the list {name}: line {number} holds a zero byte; save the list as UTF-8, one "
                "path per line"
            )
        text = os.fsdecode(line.strip(b"\r"))
        if text.strip():
            yield text


def _unique(photos: Iterable[str]) -> list[str]:
    """Each file once, under its first name in `photos`."""
    named: dict[str, str] = {}
    for photo in photos:
        named.setdefault(photo if is_address(photo) else os.path.abspath(photo), photo)
    return list(named.values())
