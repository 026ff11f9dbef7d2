"""Every error that a user can get, each with its exit code of the command line.

A message states in one line what is wrong, where, and what to do next.
"""

import errno


class FastAvatarError(Exception):
    """An error without an exit code of its own, and the base of all others."""

    exit_code = 1


class UsageError(FastAvatarError):
    """Choices that contradict each other or name something unknown."""

    exit_code = 2


class NoFaceError(FastAvatarError):
    """No face in the photo, or not the requested one."""

    exit_code = 3


class InputError(FastAvatarError, ValueError):
    """A file or value that cannot be read, is unsafe to read, or has non-finite numbers or a wrong shape."""

    exit_code = 4


class WeightsError(FastAvatarError):
    """Weights that are missing, damaged or belong to another model."""

    exit_code = 5


class DeviceError(FastAvatarError):
    """A missing device, or too little memory on it."""

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
"""Parts of messages about a lack of memory from libraries without their own error class."""
_WITH_WORDS = (ImportError, OSError, RuntimeError, ValueError)


def out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or an error that caused it, reports a lack of memory.

    Under a memory limit (`ulimit -v`, a container) this may be a `MemoryError` of Python or numpy, a
    `RuntimeError` of torch, an `ImportError` of a library that cannot be mapped, or an `OSError` of a
    decoder.
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
