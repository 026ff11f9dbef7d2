"""Google's GNM Head."""

from pathlib import Path

from scripts.head.raw import RawHead


class GnmError(Exception):
    """A file that is not laid out as GNM Head's is known to be."""


def read_gnm(path: Path) -> RawHead:
    """The head in a file `gnm_head.npz`."""
    raise GnmError(f"{path}: not yet")
