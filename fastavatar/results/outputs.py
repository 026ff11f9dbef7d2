"""The choice of files in a folder of results."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from fastavatar.formats.splats import Frame

SPLATS, PREVIEW, SUMMARY = "splats.ply", "preview.png", "summary.json"
HEAD, TURNTABLE, VIEWER = "head.npz", "turntable.mp4", "head.html"
MeshKind = Literal["glb", "obj", "ply", "stl"]
MESH_KINDS: tuple[MeshKind, ...] = get_args(MeshKind)
MESH_FILES = {kind: (f"head.{kind}",) for kind in MESH_KINDS} | {"obj": ("head.obj", "head.mtl", "head.png")}
"""The files of a mesh by the kind that is asked for, the mesh itself first."""


@dataclass(frozen=True)
class Outputs:
    """Which files are written beside `preview.png` and `summary.json`, and how."""

    frame: "Frame" = "supersplat"
    """Axes of `splats.ply`."""
    save_ply: bool = True
    """Whether there is a `splats.ply`."""
    save_head: bool = True
    """Whether there is a `head.npz` for an avatar with a mesh; animations and meshes need it."""
    turntable: bool = False
    """Whether there is a `turntable.mp4`, one turn around the head."""
    viewer: bool = False
    """Whether there is a `head.html`, a page to open in a browser."""
    mesh: MeshKind | None = None
    """Ending of the file with the closed mesh, which is called `head`; None for no mesh."""
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Background colour of preview and turntable, (3,) sRGB in 0…1."""

    def names(self, arrays: Iterable[str] = (), has_mesh: bool = False) -> list[str]:
        """Names of all files in the folder of results, the summary last.

        `arrays` are the model's own; `has_mesh` says whether the avatar has a mesh.
        """
        shown = [*([TURNTABLE] if self.turntable else []), *([VIEWER] if self.viewer else [])]
        shown += MESH_FILES[self.mesh] if self.mesh else ()
        saved = [*([HEAD] if has_mesh and self.save_head else []), *(f"{name}.npy" for name in arrays)]
        return [*([SPLATS] if self.save_ply else []), *saved, PREVIEW, *shown, SUMMARY]

    def require_possible(self) -> None:
        """Raise `FastAvatarError` if a package that writing these files needs is not installed."""
        if self.turntable:
            from fastavatar.results import writer_of

            writer_of(Path(TURNTABLE))
        if self.viewer:
            from fastavatar.formats.html import require_viewer

            require_viewer()
