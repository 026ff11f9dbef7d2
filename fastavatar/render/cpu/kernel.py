"""How every kernel here is compiled: without the GIL, kept on disk, types found at the first call."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """`function` as machine code; it divides as numpy does and its indices are not checked."""
    compiled: Function = njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled
