"""Where each photo's results go: the same place below the output folder as the photo's below its base.

The folder bears the photo's whole name, ending included: `a/me.jpg`, `b/me.jpg` and `a/me.png` never meet,
and where a photo's results lie does not depend on which other photos there are.
"""

import os
import posixpath
from collections.abc import Iterable, Iterator

from fastavatar.app.batch.rows import Job
from fastavatar.app.batch.storage import is_address, join
from fastavatar.errors import UsageError


def jobs_of(photos: Iterable[str], base: str, output_dir: str) -> Iterator[Job]:
    """Each photo with its own folder below `output_dir`; raises what `place_of` raises."""
    for photo in photos:
        yield Job(photo, join(output_dir, place_of(photo, base)))


def place_of(photo: str, base: str) -> str:
    """The photo's path from `base`; from the root of the file system where it is not in there.

    An address that is not in there has its scheme and host for folders: `http/host/me.jpg`.

    Raises `UsageError` where another photo, one in `base`, would have the same.
    """
    if is_address(photo):
        place = photo.removeprefix(join(base, "")).replace("://", "/")
        return posixpath.normpath("/" + place).lstrip("/")  # no dots that lead out of the output folder
    whole = os.path.abspath(photo)
    place = os.path.relpath(whole, os.path.abspath(base))
    if place.split(os.sep)[0] != os.pardir:
        return place
    place = os.path.splitdrive(whole)[1].lstrip(os.sep)
    twin = os.path.join(base, place)
    if os.path.exists(twin):
        raise UsageError(f"the results of {photo} would meet those of {twin}: take it in a run of its own")
    return place
