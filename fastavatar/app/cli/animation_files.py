"""Where the frames of `animate` go: one file, or a folder of pictures or splats."""

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastavatar.app.cli.outputs import require_outputs

if TYPE_CHECKING:
    from fastavatar.core import Camera, Gaussians
    from fastavatar.results import Picture
    from fastavatar.rig import Drive, Rig

log = logging.getLogger(__name__)

SPLATS, PREVIEW = "splats.ply", "preview.png"
"""What a folder gets for one pose."""


@dataclass(frozen=True)
class Target:
    """The file or folder that the frames go to."""

    output: Path
    files: str
    """`png` or `ply`: what a folder gets."""
    color: tuple[float, float, float] | None
    """Background; None for transparent."""
    force: bool

    @property
    def as_video(self) -> bool:
        """Whether the output is one file."""
        from fastavatar.results import ENDINGS

        return self.output.suffix.lower() in ENDINGS or (
            bool(self.output.suffix) and not self.output.is_dir()
        )

    def require_free(self, inputs: Sequence[Path], one_pose: bool) -> None:
        """Raise unless the output can and may be written; see `require_outputs`."""
        from fastavatar.results import require_folder, writer_of

        if self.as_video:
            writer_of(self.output, self.color is None)
            require_outputs([self.output], self.force, inputs)
            return
        require_folder(self.output)
        names = [SPLATS, PREVIEW] if one_pose else [path.name for path in self._earlier()]
        require_outputs([self.output / name for name in names], self.force, inputs)

    def write(self, rig: "Rig", drive: "Drive", camera: "Camera", one_pose: bool) -> None:
        """Write every frame of the motion, all files or none."""
        from tqdm import tqdm

        from fastavatar.results import captioned, draw_motion, poses, write_video

        motion = drive.motion
        hidden = None if log.isEnabledFor(logging.INFO) else True  # None: show it on a terminal only
        with tqdm(motion, desc=self.output.name, unit="frame", file=sys.stderr, disable=hidden) as frames:
            if not self.as_video and (one_pose or self.files == "ply"):
                self._write_splats(poses(rig, frames), camera, one_pose)
                return
            pictures = captioned(draw_motion(rig, frames, camera, self.color), motion.fps, drive.captions)
            if self.as_video:
                write_video(pictures, self.output, motion.fps, overwrite=self.force, sound=drive.sound)
            else:
                self._write_pictures(pictures)

    def _write_splats(self, heads: "Iterator[Gaussians]", camera: "Camera", one_pose: bool) -> None:
        from PIL import Image

        from fastavatar.formats import write_gaussians
        from fastavatar.results import draw_film, staged

        earlier = [path.name for path in self._earlier()] if self.force and not one_pose else []
        replaced = [SPLATS, PREVIEW] if self.force and one_pose else earlier
        replaced = [name for name in replaced if (self.output / name).exists()]
        with staged(self.output, replaced) as staging:
            for index, head in enumerate(heads):
                write_gaussians(head, staging / (SPLATS if one_pose else f"frame_{index:05d}.ply"))
                if one_pose:
                    Image.fromarray(next(draw_film(head, [camera], self.color))).save(staging / PREVIEW)

    def _write_pictures(self, pictures: "Iterator[Picture]") -> None:
        from PIL import Image

        from fastavatar.results import staged

        replaced = [path.name for path in self._earlier()] if self.force else []
        with staged(self.output, replaced) as staging:
            for index, picture in enumerate(pictures):
                Image.fromarray(picture).save(staging / f"frame_{index:05d}.png")

    def _earlier(self) -> list[Path]:
        """Frames that an earlier run left in the folder."""
        return sorted(self.output.glob(f"frame_[0-9]*.{self.files}")) if self.output.is_dir() else []
