"""MediaPipe's tasks, each a network with the steps before and after it, opened, run and closed quietly."""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import DeviceError, WeightsError
from fastavatar.images import quiet_stderr, without_metrics

MODELS = Path(__file__).with_name("face_models")
"""Google's files, which `python -m scripts.face_models` puts there when the program is built."""
_PROCESSORS = Path("/sys/devices/system/cpu/possible")
"""Linux's list of processors, without which MediaPipe 1.2 calls `abort` when it opens a task."""


@contextlib.contextmanager
def open_task(kind: str, model: str, **options: Any) -> Iterator[Any]:
    """A task of `mediapipe.tasks.vision`, such as "FaceDetector", with a file of `MODELS` and other options.

    Each block has a task of its own, as a task serves one thread and must be closed before Python ends.
    Raises `WeightsError` without the file, `DeviceError` where MediaPipe cannot run.
    """
    path = MODELS / model
    if not path.is_file():
        raise WeightsError(
            f"the network {path} is missing: `python -m scripts.face_models` makes it in a copy of the "
            "repository, as `make setup` does"
        )
    _require_processor_list()
    with quiet_stderr(), without_metrics():
        tasks = load_tasks()
        # As bytes, because MediaPipe opens a path by itself, and not every path on every system.
        base = tasks.BaseOptions(model_asset_buffer=path.read_bytes())
        settings = getattr(tasks.vision, f"{kind}Options")(base_options=base, **options)
        try:
            task = getattr(tasks.vision, kind).create_from_options(settings)
        except OSError as error:
            if "cannot open shared object" not in str(error):
                raise
            raise DeviceError(
                f"MediaPipe cannot be loaded ({error}): install the libraries for OpenGL ES "
                "(on Debian and Ubuntu the packages libegl1 and libgles2)"
            ) from error
        with task:
            yield task


def _require_processor_list() -> None:
    """Raise `DeviceError` where MediaPipe would abort the whole process without a message."""
    if sys.platform == "linux" and not os.access(_PROCESSORS, os.R_OK):
        raise DeviceError(
            f"MediaPipe cannot run, as {_PROCESSORS} cannot be read: mount /sys (`mount -t sysfs sysfs /sys`)"
        )


def as_image(rgb: NDArray[np.uint8]) -> Any:
    """A picture (H, W, 3) as tasks take it."""
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))


def load_tasks() -> Any:
    """The module `mediapipe.tasks`, without matplotlib if nothing else has loaded that."""
    with _pyplot_when_used():
        import mediapipe

    return mediapipe.tasks


class _Pyplot(ModuleType):
    """Replaces `matplotlib.pyplot` until one of its names is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("matplotlib.pyplot"), name)


@contextlib.contextmanager
def _pyplot_when_used() -> Iterator[None]:
    """Delay the import of pyplot, which takes 0.5 s and which only MediaPipe's drawing helpers use."""
    if {"mediapipe", "matplotlib"} & sys.modules.keys():
        yield
        return
    package, pyplot = ModuleType("matplotlib"), _Pyplot("matplotlib.pyplot")
    package.pyplot = pyplot  # type: ignore[attr-defined]
    stand_ins = {module.__name__: module for module in (package, pyplot)}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]
