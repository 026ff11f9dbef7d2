"""How kernels are compiled, where the compiled code is kept, and a log line while that takes time.

This is the one file of `rendering/` that reads the environment and touches files: numba chooses the folder
of a kernel when the kernel is defined, so a caller cannot pass the folder in.
"""

import logging
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import njit
from numba.core import event

from fastavatar.system import cache_folder

log = logging.getLogger(__name__)

_SECONDS = {False: 4, True: 6}
"""Seconds that the forward kernels take to compile, and the backward ones; measured on one core of 2024."""

_one_at_a_time = threading.RLock()
Function = TypeVar("Function", bound=Callable[..., Any])

# Without the GIL, so that threads run kernels side by side; with numpy's rules, by which 1/0 is infinity
_HOW = {"nogil": True, "error_model": "numpy"}


def kernel(function: Callable[..., None]) -> Callable[..., None]:
    """Compile a function that Python calls; the machine code comes from disk where it was kept."""
    with kernels_kept() as kept:
        compiled: Callable[..., None] = njit(cache=kept, **_HOW)(function)
    return compiled


def inlined(function: Function) -> Function:
    """Compile a function that only kernels call; its code becomes part of theirs."""
    compiled: Function = njit(**_HOW)(function)
    return compiled


@contextmanager
def kernels_kept() -> Iterator[bool]:
    """Keep kernels that the block defines in `kernel_folder`; yields whether there is such a folder."""
    # The setting is the process's: changed by another thread meanwhile, it put caches into the current folder
    with _one_at_a_time:
        before = numba.config.CACHE_DIR
        folder = kernel_folder()
        numba.config.CACHE_DIR = str(folder or "")
        try:
            yield folder is not None
        finally:
            numba.config.CACHE_DIR = before


@cache
def kernel_folder() -> Path | None:
    """The folder of compiled kernels; None where no folder can be written.

    It lies in `NUMBA_CACHE_DIR`, else in `numba/` of the cache folder, else in a private folder of the
    temporary folder. Its name is made from the sources, because numba notices a change in a kernel but not in
    the functions it calls. A cache that may only be read, as in a read-only container, is copied to the
    temporary folder.
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


def kernels_on_disk() -> bool:
    """Whether the forward kernels were compiled before: loading them takes 0.3 s, compiling seconds."""
    folder = kernel_folder()
    return folder is not None and any(folder.rglob("composite.composite-*.nbi"))


def _fingerprint() -> str:
    """A name that changes with any source that a kernel is compiled from."""
    here = Path(__file__).parent
    sources = [*here.glob("*.py"), here.parent / "constants.py"]
    sources.append(here.parents[1] / "geometry" / "spherical_harmonics.py")
    return sha256(b"".join(source.read_bytes() for source in sorted(sources))).hexdigest()[:16]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _private(folder: Path) -> bool:
    """Whether only this user can write there: numba executes what it reads back."""
    found = folder.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return mine and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022


class _Notice(event.Listener):  # type: ignore[misc]  # numba has no types
    """Logs once, for the forward and for the backward kernels, what the seconds are spent on."""

    def __init__(self) -> None:
        self._said: set[bool] = set()

    def on_start(self, event: Any) -> None:
        """Called whenever numba begins to compile a function, of this package or another."""
        module = event.data["dispatcher"].py_func.__module__
        backward = module.endswith("_backward")
        if module.startswith(f"{__package__}.") and backward not in self._said:
            self._said.add(backward)
            what = "the renderer's gradients" if backward else "the renderer"
            log.info("compiling %s, about %d s, once", what, _SECONDS[backward])

    def on_end(self, event: Any) -> None:
        """The end of a compilation is not logged."""


event.register("numba:compile", _Notice())
