"""Every error a user can meet, each with the exit code the command line ends with.

A message says what was wrong, where, and what to do next, in one line.
"""


class FastAvatarError(Exception):
    """Anything that has no code of its own."""

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
    """Results that exist already and may not be replaced."""

    exit_code = 7


def out_of_memory(error: Exception) -> bool:
    """Whether Python, numpy or torch found no memory; torch, not imported for this, raises a RuntimeError."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator: can't allocate memory" in str(error)
    )
