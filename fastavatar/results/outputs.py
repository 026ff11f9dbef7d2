"""Which files a prediction leaves behind."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastavatar.formats.splats.frames import Frame

SPLATS, PREVIEW, SUMMARY = "splats.ply", "preview.png", "summary.json"
TURNTABLE, VIEWER = "turntable.mp4", "head.html"


@dataclass(frozen=True)
class Outputs:
    """What is written beside `preview.png` and `summary.json`, and how."""

    frame: "Frame" = "supersplat"
    """Axes of `splats.ply`."""
    save_ply: bool = True
    """Whether there is a `splats.ply`."""
    turntable: bool = False
    """Whether there is a `turntable.mp4`, one round about the head."""
    viewer: bool = False
    """Whether there is a `head.html`, a page to open in a browser."""
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """(3,) sRGB in 0…1 behind what is drawn: preview and turntable."""

    def names(self, arrays: Iterable[str] = ()) -> list[str]:
        """Names of all files in the folder of results, the summary last; `arrays` are the model's own."""
        shown = [*([TURNTABLE] if self.turntable else []), *([VIEWER] if self.viewer else [])]
        saved = [f"{name}.npy" for name in arrays]
        return [*([SPLATS] if self.save_ply else []), *saved, PREVIEW, *shown, SUMMARY]

    def require_possible(self) -> None:
        """Raise, before the work, where something that writing needs is not installed."""
        if self.turntable:
            from fastavatar.results.video import writer_of

            writer_of(Path(TURNTABLE))
        if self.viewer:
            from fastavatar.formats.html.page import require_viewer

            require_viewer()
