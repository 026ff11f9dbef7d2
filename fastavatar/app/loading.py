"""Loads torch and the renderer on a thread, while a command loads other libraries and reads its photo.

Python runs one thread at a time, but torch's machine code is mapped, and a photo is searched for faces,
without the interpreter. `benchmarks/cold_start.py` measures a whole command.
"""

import ctypes
import gc
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

from fastavatar.system import memory_limit_bytes

_META_KERNELS = "torch._meta_registrations"
FOR_PREDICTION = ("scipy.sparse.linalg", "scipy.spatial", "scipy.ndimage")
"""Libraries of a prediction without torch, which takes as long to map as these take to import."""


def load_ahead(libraries: Sequence[str] = FOR_PREDICTION) -> None:
    """Begin to load torch and the renderer on a thread, and import `libraries`, which need neither, here.

    The garbage collector rests until all is loaded: it would search a million objects, none of them garbage,
    many times over. Errors are left to the code that imports the same library and can report them. Nothing
    happens where memory is limited, as a library that fails to load on a thread can hang the process.
    """
    if memory_limit_bytes() is not None:
        return
    gc.disable()
    Thread(target=_load_torch_and_renderer, name="loading").start()
    for name in libraries:
        importlib.import_module(name)


def _load_torch_and_renderer() -> None:
    try:
        with suppress(Exception):
            _map_torch()
            with meta_kernels_when_used():
                import torch
            from fastavatar.rendering import compile_kernels, kernels_on_disk

            # Compiling is left to the first picture, which also says so
            if kernels_on_disk() and not torch.cuda.is_available():
                compile_kernels(gradients=False)
    finally:
        gc.freeze()  # what is loaded stays until the end, so later collections need not search it
        gc.enable()


def _map_torch() -> None:
    """Map torch's largest library, 0.2 s in which other threads can run, unlike in `import torch` itself."""
    spec = find_spec("torch")
    if sys.platform == "linux" and spec is not None and spec.origin is not None:
        with suppress(OSError):  # `import torch` finds what it depends on, or says what is missing
            ctypes.CDLL(str(Path(spec.origin).parent / "lib" / "libtorch_cpu.so"))


class _MetaKernels(ModuleType):
    """Replaces torch's `_meta_registrations` until one of its names is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_META_KERNELS) is self:
            del sys.modules[_META_KERNELS]
        return getattr(importlib.import_module(_META_KERNELS), name)


@contextmanager
def meta_kernels_when_used() -> Iterator[None]:
    """Delay the import of torch's kernels for tensors without memory: 0.2 s and 20 MB, for its compilers.

    Whatever imports that module later, as `models/published` does, gets it; see `complete_torch`.
    """
    if "torch" in sys.modules:
        yield
        return
    stand_in = _MetaKernels(_META_KERNELS)
    sys.modules[_META_KERNELS] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(_META_KERNELS) is stand_in:
            del sys.modules[_META_KERNELS]
            vars(sys.modules.get("torch", stand_in)).pop("_meta_registrations", None)


def complete_torch() -> None:
    """Import what `load_ahead` left out of torch: `torch.Generator` and optimisers do not work without it.

    Optimisers import torch's compilers, which can only be imported after that module.
    """
    importlib.import_module(_META_KERNELS)
