"""How every kernel here is compiled: without the GIL, and kept on disk."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

from fastavatar.rendering.kernel_cache import kernels_kept

Function = TypeVar("Function", bound=Callable[..., Any])

_HOW = {"nogil": True, "error_model": "numpy"}  # numpy's: dividing by zero gives infinity


def kernel(function: Callable[..., None]) -> Callable[..., None]:
    """A function that Python calls: machine code, from disk if it can be."""
    with kernels_kept() as kept:
        compiled: Callable[..., None] = njit(cache=kept, **_HOW)(function)
    return compiled


def inlined(function: Function) -> Function:
    """A function that only kernels call; it becomes part of theirs."""
    compiled: Function = njit(**_HOW)(function)
    return compiled
