"""Where each photo's results go: the same place below the output folder as the photo's below its base.

The folder bears the photo's whole name, ending included: `a/me.jpg`, `b/me.jpg` and `a/me.png` never meet,
and where a photo's results lie does not depend on which other photos there are.
"""

import os
from collections.abc import Iterable, Iterator

from fastavatar.batch.rows import Job
from fastavatar.errors import UsageError


def jobs_of(photos: Iterable[str], base: str, output_dir: str) -> Iterator[Job]:
    """Each photo with its own folder below `output_dir`; raises what `place_of` raises."""
    for photo in photos:
        yield Job(photo, os.path.join(output_dir, place_of(photo, base)))


def place_of(photo: str, base: str) -> str:
    """The photo's path from `base`; from the root of the file system where it is not in there.

    Raises `UsageError` where another photo, one in `base`, would have the same.
    """
    whole = os.path.abspath(photo)
    place = os.path.relpath(whole, os.path.abspath(base))
    if place.split(os.sep)[0] != os.pardir:
        return place
    place = os.path.splitdrive(whole)[1].lstrip(os.sep)
    twin = os.path.join(base, place)
    if os.path.exists(twin):
        raise UsageError(f"the results of {photo} would meet those of {twin}: take it in a run of its own")
    return place
