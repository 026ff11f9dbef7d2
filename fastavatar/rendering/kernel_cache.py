"""Where compiled kernels are kept, and a word to the user while they are compiled.

The one place in `render/` that reads the environment and touches files: numba decides where a kernel is kept
when the kernel is defined, so nobody can hand the folder down to it.
"""

import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from numba.core import event

from fastavatar.system.cache_folder import cache_folder

log = logging.getLogger(__name__)

_SECONDS = {False: 4, True: 6}  # to compile the forward and the backward kernels, on a core of 2024


@contextmanager
def kernels_kept() -> Iterator[bool]:
    """Kernels defined in here are kept in `kernel_folder`; yields whether there is one."""
    before = numba.config.CACHE_DIR
    folder = kernel_folder()
    numba.config.CACHE_DIR = str(folder or "")
    try:
        yield folder is not None
    finally:
        numba.config.CACHE_DIR = before


@cache
def kernel_folder() -> Path | None:
    """`NUMBA_CACHE_DIR`, else `numba/` in the cache folder, else one of one's own in the temporary folder.

    Below it, a name made from the sources: numba itself notices a change in a kernel, not in what it calls. A
    cache that is there but may not be written, as in a container that runs read-only, is copied to the
    temporary folder. None where nothing can be written at all.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    version = _fingerprint()
    folder = Path(given or cache_folder() / "numba") / version
    if _writable(folder):
        return folder
    own = (
        Path(tempfile.gettempdir()) / f"fastavatar-numba-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
    )
    if not (_writable(own) and _private(own)):
        return None
    if folder.is_dir() and not (own / version).exists():
        shutil.copytree(folder, own / version, dirs_exist_ok=True)
    return own / version


def _fingerprint() -> str:
    """A name that changes with any source that a kernel is made of."""
    package = Path(__file__).parent
    sources = [*package.glob("cpu/*.py"), package / "constants.py"]
    sources.append(package.parent / "geometry" / "spherical_harmonics.py")
    return sha256(b"".join(source.read_bytes() for source in sorted(sources))).hexdigest()[:16]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _private(folder: Path) -> bool:
    """Whether nobody else can put code there: what numba keeps is executed when it is read."""
    found = folder.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return mine and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022


class _Notice(event.Listener):  # type: ignore[misc]  # numba has no types
    """Says once for each direction what the seconds are spent on."""

    def __init__(self) -> None:
        self._said: set[bool] = set()

    def on_start(self, event: Any) -> None:
        """Called when numba begins to compile anything, from whatever package."""
        module = event.data["dispatcher"].py_func.__module__
        backward = module.endswith("_backward")
        if module.startswith(f"{__package__}.cpu") and backward not in self._said:
            self._said.add(backward)
            what = "the renderer's gradients" if backward else "the renderer"
            log.info("compiling %s, about %d s, once", what, _SECONDS[backward])

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


event.register("numba:compile", _Notice())
