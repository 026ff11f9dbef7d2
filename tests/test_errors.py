import errno
import inspect

import pytest

from fastavatar import errors

EXIT_CODES = {
    "FastAvatarError": 1,
    "UsageError": 2,
    "NoFaceError": 3,
    "InputError": 4,
    "WeightsError": 5,
    "DeviceError": 6,
    "OverwriteError": 7,
}


def test_each_kind_of_error_has_its_own_exit_code() -> None:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    found = {kind.__name__: kind for kind in kinds if issubclass(kind, errors.FastAvatarError)}
    assert len(found) == len(kinds)
    assert {name: kind.exit_code for name, kind in found.items()} == EXIT_CODES


@pytest.mark.parametrize("name", EXIT_CODES)
def test_one_except_clause_catches_them_all(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.FastAvatarError)
    assert str(kind("what, where, what next")) == "what, where, what next"


def chained(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("libx.so: cannot allocate memory in static TLS block"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you"),
        RuntimeError("can't start new thread"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        OSError("out of memory error when reading image file"),
        chained(errors.WeightsError("InsightFace cannot be imported"), ImportError("failed to map segment")),
    ],
    ids=repr,
)
def test_memory_that_ran_out_is_recognised(error: Exception) -> None:
    assert errors.out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        ImportError("No module named 'av'"),
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("shapes do not match"),
        errors.InputError("cannot read out of memory.png: there is no such file"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "out of memory.png"),
        chained(errors.InputError("damaged"), ValueError("bad checksum")),
    ],
    ids=repr,
)
def test_other_errors_are_not_taken_for_a_lack_of_memory(error: Exception) -> None:
    assert not errors.out_of_memory(error)
