"""ComfyUI's progress bar and its button to cancel; without ComfyUI, as in tests, neither."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

try:
    from comfy.model_management import throw_exception_if_processing_interrupted as stop_if_cancelled
    from comfy.utils import ProgressBar
except ModuleNotFoundError:

    def stop_if_cancelled() -> None:
        """Nobody can cancel."""

    class ProgressBar:  # type: ignore[no-redef]
        """A bar that is not drawn."""

        def __init__(self, total: int) -> None:
            """A bar of `total` steps."""

        def update(self, value: int) -> None:
            """Go on by some steps."""


Item = TypeVar("Item")
STAGES = 12
"""About how many stages a prediction has."""


def counted(items: Sequence[Item]) -> Iterator[Item]:
    """The items, each of them a step of the bar; raises ComfyUI's exception when the user cancels."""
    bar = ProgressBar(len(items))
    for item in items:
        stop_if_cancelled()
        yield item
        bar.update(1)


@contextmanager
def stages() -> Iterator[None]:
    """A block in which each stage that begins is a step of the bar, and may be cancelled."""
    from fastavatar.models.stages import listening

    bar = ProgressBar(STAGES)

    def begin(_: str) -> None:
        stop_if_cancelled()
        bar.update(1)

    with listening(begin):
        yield
