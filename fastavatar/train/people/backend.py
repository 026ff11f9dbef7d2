"""Which of Mitsuba's variants runs here: LLVM's with a library that works, else the slow scalar one."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from glob import glob
from pathlib import Path

from fastavatar.errors import UsageError

log = logging.getLogger(__name__)

_OLDEST_LLVM = 17
"""LLVM 14, 15 and 16 crash under Mitsuba 3.9."""
_FOLDERS = (
    "/usr/lib/*-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/llvm-*/lib",
    "/usr/local/lib",
    "/opt/homebrew/opt/llvm/lib",
)
_PATIENCE_S = 300
_LIBRARY = "DRJIT_LIBLLVM_PATH"
_TRIAL = """
import mitsuba as mi
mi.set_variant("llvm_ad_rgb")
box = mi.cornell_box()
box["sensor"]["film"].update(width=4, height=4)
mi.render(mi.load_dict(box), spp=1).numpy()
"""


def require_mitsuba() -> None:
    """Raise `UsageError` where Mitsuba cannot be imported, with what is missing and how to get it."""
    try:
        import mitsuba  # noqa: F401
    except (ImportError, NameError) as error:  # drjit stumbles over a NameError as it reports an ImportError
        reason = str(error.__context__ if isinstance(error, NameError) else error)
        remedy = "pip install '.[train]' where the source is"
        if "cannot open shared object" in reason:
            remedy = "install the package of your system with that library (Debian: apt install libatomic1)"
        raise UsageError(
            f"made-up people need Mitsuba, which cannot be imported ({reason}): {remedy}"
        ) from error


@cache
def start_mitsuba(threads: int | None = None) -> str:
    """Choose a variant, for this process, and return its name; `threads` limits the renderer's.

    An unsuitable LLVM ends the process that uses it, so another process tries each library first.
    """
    require_mitsuba()
    variant = _found_variant()
    import mitsuba as mi

    mi.set_variant(variant)
    mi.set_log_level(mi.LogLevel.Error)
    if threads is not None:
        import drjit as dr

        dr.set_thread_count(threads)
    return variant


def _found_variant() -> str:
    for library in _libraries():
        environment = os.environ | ({_LIBRARY: library} if library else {})
        try:
            trial = subprocess.run(
                [sys.executable, "-c", _TRIAL], env=environment, capture_output=True, timeout=120
            )
        except subprocess.TimeoutExpired:
            continue
        if trial.returncode == 0:
            if library:
                os.environ[_LIBRARY] = library
            return "llvm_ad_rgb"
        log.debug("LLVM %s does not work: %s", library, trial.stderr.decode(errors="replace")[-300:])
    log.warning("no usable LLVM library (17 or newer) was found: rendering takes about three times as long")
    return "scalar_rgb"


def _libraries() -> Iterator[str]:
    """The LLVM library that the user named, else those installed, newest first."""
    if named := os.environ.get(_LIBRARY):
        yield named
        return
    found: dict[str, int] = {}
    for folder in _FOLDERS:
        for path in glob(f"{folder}/libLLVM*"):
            version = re.search(r"libLLVM(?:\.so\.|-|\.)(\d+)", os.path.basename(path))
            if version and int(version[1]) >= _OLDEST_LLVM:
                found.setdefault(str(Path(path).resolve()), int(version[1]))
    yield from sorted(found, key=lambda path: -found[path])
