"""Every error a user can meet, each with the exit code the command line ends with.

A message says what was wrong, where, and what to do next, in one line.
"""

import errno


class FastAvatarError(Exception):
    """An error without an exit code of its own, and the base of all others."""

    exit_code = 1


class UsageError(FastAvatarError):
    """Flags that contradict each other or name something unknown."""

    exit_code = 2


class NoFaceError(FastAvatarError):
    """No face in the photo, or not the one that was asked for."""

    exit_code = 3


class InputError(FastAvatarError, ValueError):
    """A file or value that cannot be read, is unsafe to read, or has non-finite numbers or a wrong shape."""

    exit_code = 4


class WeightsError(FastAvatarError):
    """Weights that are missing, damaged or of another model."""

    exit_code = 5


class DeviceError(FastAvatarError):
    """A device that is not there, or too little memory on it."""

    exit_code = 6


class OverwriteError(FastAvatarError):
    """Existing files that may not be replaced."""

    exit_code = 7


_NO_MEMORY = (
    "allocate memory",  # torch's DefaultCPUAllocator, the dynamic loader, ENOMEM
    "failed to map segment",  # the dynamic loader, in an ImportError
    "could not find/load shared object",  # llvmlite, which hides the loader's reason
    "bad_alloc",  # C++ libraries, among them torch
    "bad allocation",  # onnxruntime
    "can't start new thread",  # no room for the stack of a thread
    "memory allocation",  # libheif
    "out of memory",  # Pillow, CUDA
)
"""Parts of messages by which libraries without an own error class say that memory ran out."""
_WITH_WORDS = (ImportError, OSError, RuntimeError, ValueError)


def out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or one that it was raised from, says that memory ran out.

    Under a limit of memory (`ulimit -v`, a container's) that shows as a `MemoryError` of Python or numpy, a
    `RuntimeError` of torch, an `ImportError` of a library that finds no room, or an `OSError` of a decoder.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or type(seen).__name__ == "OutOfMemoryError":
            return True
        if isinstance(seen, OSError) and seen.errno is not None:
            if seen.errno == errno.ENOMEM:
                return True
        elif isinstance(seen, _WITH_WORDS) and not isinstance(seen, FastAvatarError):
            if any(words in str(seen).lower() for words in _NO_MEMORY):
                return True
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return False
