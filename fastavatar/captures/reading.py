"""One folder in, one `Capture` out, whichever tool wrote it."""

from collections import Counter
from pathlib import Path
from typing import Literal

from fastavatar.captures.capture import Capture
from fastavatar.captures.colmap import read_colmap
from fastavatar.captures.pictures import read_view
from fastavatar.captures.surfaces import read_flame, read_mesh, read_points
from fastavatar.captures.transforms import FILE_NAME, read_transforms
from fastavatar.errors import InputError

Source = Literal[
    "auto",  # transforms.json where there is one, else COLMAP
    "transforms",  # transforms.json
    "colmap",  # sparse/0
]


def read_capture(folder: str | Path, source: Source = "auto") -> Capture:
    """Read a capture folder into memory.

    The layout is the one VHAP and the NeRSemble exports use: `transforms.json` or a COLMAP model in
    `sparse/0`, pictures where these say, and, where there are any, `points3d.ply`, `mesh.npz` and
    FLAME parameters. Both sources give the same views, in the order of their names.

    Raises `InputError` naming the file and the frame for anything missing, damaged or contradictory, and
    for cameras that are singular, mirrored or of an unknown model.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no capture folder {folder}")
    transforms, model = folder / FILE_NAME, folder / "sparse" / "0"
    if source == "auto":
        source = "transforms" if transforms.is_file() or not model.is_dir() else "colmap"
    points = read_points(folder / "points3d.ply")
    flame_path = next(iter(sorted((folder / "flame_param").glob("*.npz"))), None)
    if source == "transforms":
        if not transforms.is_file():
            raise InputError(f"{folder} is no capture: it has neither {FILE_NAME} nor sparse/0")
        frames, named_flame = read_transforms(transforms)
        flame_path = named_flame or flame_path
    else:
        frames, colmap_points = read_colmap(model, folder)
        points = colmap_points if points is None else points
    frames.sort(key=lambda frame: str(frame.image_path))
    twice = [path for path, count in Counter(frame.image_path for frame in frames).items() if count > 1]
    if twice:
        raise InputError(f"{frames[0].source.split(':')[0]}: two frames share the image {twice[0]}")
    return Capture(
        folder,
        tuple(read_view(frame) for frame in frames),
        points,
        read_mesh(folder / "mesh.npz"),
        {} if flame_path is None else read_flame(flame_path),
    )
