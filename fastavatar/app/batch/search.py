"""Finds files below a folder, or files that a pattern matches. Each real folder is searched once.

The search below a folder is recursive and follows no links. A pattern follows links, as `glob` does, but
enters no folder twice, so links to a parent neither hang the search nor list a photo twice.
"""

import fnmatch
import glob
import os
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Found:
    """The result of a search."""

    files: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Folders that could not be read, each with the reason."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """Number of skipped files and folders by reason: an ending, `hidden`, `linked folder`."""

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """Entries of a folder, sorted by name; an unreadable folder has none and is noted."""
        try:
            with os.scandir(folder or os.curdir) as found:
                return sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self._refused(folder, error)
            return []

    def identity(self, folder: str) -> tuple[int, int] | None:
        """Device and inode of the real folder, the same for every link to it; None if there is no folder."""
        try:
            status = os.stat(folder or os.curdir)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as error:
            self._refused(folder, error)
            return None
        return status.st_dev, status.st_ino

    def _refused(self, folder: str, error: OSError) -> None:
        refusal = f"{folder}: {(error.strerror or str(error)).lower()}"
        if refusal not in self.unreadable:  # a pattern may reach a folder more than once
            self.unreadable.append(refusal)


def search_folder(folder: str, skipped: str, judge: Callable[[str, set[str]], str | None]) -> Found:
    """Files anywhere below `folder`, sorted, without those in the folder `skipped`.

    `judge` gets a file's name and the names of all files beside it. It returns the reason to skip the file,
    or None to take it; an empty reason is not counted.
    """
    found, left = Found(), [folder]
    banned = found.identity(skipped)
    while left:
        place = left.pop()
        entries = found.entries(place)
        inside = [entry for entry in entries if _is_folder(entry)]
        found.passed_over["hidden"] += sum(entry.name.startswith(".") for entry in inside)
        inside = [entry for entry in inside if not entry.name.startswith(".")]
        found.passed_over["linked folder"] += sum(entry.is_symlink() for entry in inside)
        inside = [entry for entry in inside if not entry.is_symlink()]
        inside = [entry for entry in inside if banned is None or found.identity(entry.path) != banned]
        left += [os.path.join(place, entry.name) for entry in reversed(inside)]
        files = [entry for entry in entries if not _is_folder(entry)]
        beside = {entry.name for entry in files}
        for entry in files:
            reason = judge(entry.name, beside)
            if reason is None and not _may_be_read(entry):
                reason = "not a regular file"
            if reason is None:
                found.files.append(os.path.join(place, entry.name))
            elif reason:
                found.passed_over[reason] += 1
    found.passed_over = +found.passed_over
    return found


def search_pattern(pattern: str, skipped: str) -> Found:
    """Files that a pattern of Python's `glob` matches, sorted, without those in the folder `skipped`."""
    parts = list(Path(pattern).parts)
    first = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    if parts[-1] == "**":
        parts.append("*")
    found = Found()
    # A place is a folder with the parts of the pattern that are still to be matched below it. Links are
    # followed after every real folder was searched, so a photo that is found both ways has its real name.
    left: list[tuple[str, Sequence[str]]] = [(os.path.join(*parts[:first]) if first else "", parts[first:])]
    linked: deque[tuple[str, Sequence[str]]] = deque()
    seen: set[tuple[object, int]] = set()
    start, banned = left[0][0], found.identity(skipped)
    while left or linked:
        place, rest = left.pop() if left else linked.popleft()
        identity = found.identity(place)
        if identity is None or (identity == banned and place != start) or (identity, len(rest)) in seen:
            continue
        seen.add((identity, len(rest)))
        part, below = rest[0], rest[1:]
        if not glob.has_magic(part):
            path = os.path.join(place, part)
            if below:
                left.append((path, below))
            elif os.path.isfile(path):
                found.files.append(path)
            continue
        hidden = part.startswith(".")
        entries = [entry for entry in found.entries(place) if hidden or not entry.name.startswith(".")]
        if part == "**":
            left.append((place, below))
            below = rest
        else:
            entries = [entry for entry in entries if fnmatch.fnmatchcase(entry.name, part)]
        for entry in reversed(entries):
            path = os.path.join(place, entry.name)
            if _is_folder(entry):
                if below:
                    (linked if entry.is_symlink() else left).append((path, below))
            elif not below and _may_be_read(entry):
                found.files.append(path)
            elif not below:
                found.passed_over["not a regular file"] += 1
    found.files.sort()
    return found


def before_magic(pattern: str) -> str:
    """The folder that contains every match of a pattern: the part before its first wildcard."""
    parts = Path(pattern).parts
    return str(Path(*(parts[: next(i for i, part in enumerate(parts) if glob.has_magic(part))])))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _may_be_read(entry: os.DirEntry[str]) -> bool:
    """Whether this is a regular file or a broken link, which then fails as a photo with its own message."""
    try:
        return entry.is_file() or entry.is_symlink() and not os.path.exists(entry.path)
    except OSError:
        return True
