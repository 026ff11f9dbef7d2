"""A bar on stderr with the speed and size of a download."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fastavatar.weights.download import Progress


@contextmanager
def download_bar(what: str) -> Iterator[Progress]:
    """Give a callback that moves the bar; it shows only on a terminal."""
    from tqdm import tqdm

    with tqdm(desc=what, unit="B", unit_scale=True, unit_divisor=1000, file=sys.stderr, disable=None) as bar:

        def show(there: int, total: int | None) -> None:
            bar.total = total
            bar.update(there - bar.n)

        yield show
