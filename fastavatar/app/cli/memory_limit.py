"""Limits of address space (`ulimit -v`): libraries that reach the limit abort, crash or fail to load.

Python cannot catch that. A limited process therefore works in a child process, and reports in one line
why the child ended.
"""

import ctypes
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress

from fastavatar.errors import DeviceError
from fastavatar.system import memory_limit_bytes

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
_PASSED_ON = tuple(
    getattr(signal, name) for name in _NAMES if hasattr(signal, name)
)  # Windows has two of them
_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def out_of_memory_message() -> str:
    """The message for too little memory: the limit, if there is one, and what to do."""
    limit = memory_limit_bytes()
    if limit is None:
        return "out of memory: use a smaller photo or close other programs"
    return f"out of memory: the limit is {limit / 1e9:.1f} GB (ulimit -v); allow more or use a smaller photo"


def within_limit(work: Callable[[], int], failed: Callable[[str, int], int]) -> int:
    """Do `work` and return its exit code, or that of `failed` if a memory limit ended the child process."""
    if memory_limit_bytes() is None or not hasattr(signal, "sigwaitinfo"):  # macOS enforces no limit
        return work()
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_PASSED_ON, signal.SIGCHLD})
    report, reported = os.pipe()
    with tempfile.TemporaryFile() as noise:
        child = os.fork()
        if child == 0:
            os.close(report)
            _work_in_child(work, reported, noise.fileno())
        os.close(reported)
        status = _wait(child)
        exit_code = os.read(report, 1)
        if exit_code:
            noise.seek(0)
            with suppress(OSError):
                os.write(2, noise.read())
            return exit_code[0]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return 128 + signal.SIGKILL
    return failed(out_of_memory_message(), DeviceError.exit_code)


def _work_in_child(work: Callable[[], int], reported: int, noise: int) -> None:
    """Do the work, report its exit code and end; never returns.

    What libraries write to stderr goes to `noise`, so that a crash shows one line only.
    """
    with suppress(AttributeError, OSError):  # only Linux has it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_PASSED_ON, signal.SIGCHLD})
    own = os.dup(2)
    os.dup2(noise, 2)
    sys.stderr = open(own, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)
    code = 1
    try:
        code = work()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except Exception as error:  # a partly loaded library can raise anything
        sys.stderr.write(f"error: {out_of_memory_message()} ({type(error).__name__})\n")
        code = DeviceError.exit_code
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os.write(reported, bytes([code & 0xFF]))
        os._exit(code & 0xFF)


def _wait(child: int) -> int:
    """Wait for the child and return its status; pass on signals that another process sends to this one.

    Those of the terminal reach the child as well as this process.
    """
    while True:
        if (status := os.waitpid(child, os.WNOHANG))[0]:
            return status[1]
        info = signal.sigwaitinfo({*_PASSED_ON, signal.SIGCHLD})
        if info.si_signo != signal.SIGCHLD and info.si_code <= 0:
            os.kill(child, info.si_signo)
