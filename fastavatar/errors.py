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


_MEMORY_WORDS = (
    "allocate memory",  # torch, and the C library's message for ENOMEM
    "failed to map segment",  # the dynamic loader, as an ImportError
    "could not find/load shared object",  # llvmlite, which hides the loader's reason
    "bad_alloc",
    "start new thread",  # a thread's stack has no room
)


def out_of_memory(error: BaseException) -> bool:
    """Whether Python, numpy, torch or the loader of a library found no memory.

    Not by type alone: torch, which is not imported for this, and others raise a RuntimeError.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    if isinstance(error, RuntimeError | ImportError | OSError) and any(
        words in str(error).lower() for words in _MEMORY_WORDS
    ):
        return True
    return error.__cause__ is not None and out_of_memory(error.__cause__)
