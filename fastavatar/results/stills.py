"""Pictures as PNG files with a mark of this program, the only ones it ever replaces; sheets of pictures."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fastavatar.errors import OverwriteError, UsageError
from fastavatar.results import Picture, staged
from fastavatar.system import refusals_in_one_line

MARK = "fastavatar render"
"""The PNG keyword `Software` of every still. Other pictures of this program do not carry it."""


def write_stills(pictures: Iterable[tuple[str, Picture]], folder: Path, replaced: Iterable[str] = ()) -> None:
    """Write named pictures (H, W, C) as PNG files into `folder`, all or none; delete the files `replaced`.

    Raises `FastAvatarError` when they cannot be written.
    """
    mark = PngInfo()
    mark.add_text("Software", MARK)
    with refusals_in_one_line(folder), staged(folder, replaced) as staging:
        for name, picture in pictures:
            Image.fromarray(picture).save(staging / f"{name}.png", pnginfo=mark)


def sheet_of(pictures: Iterable[Picture], columns: int, rows: int) -> Picture:
    """The pictures (H, W, C) in a grid, left to right, then down; empty cells have the first one's corner.

    Raises `UsageError` for more pictures than cells, none, and pictures of different sizes.
    """
    tiles = list(pictures)
    sizes = {tile.shape for tile in tiles}
    if not 0 < len(tiles) <= columns * rows:
        raise UsageError(f"{len(tiles)} pictures do not fit into {columns}×{rows} cells: choose other views")
    if len(sizes) > 1:
        raise UsageError("the pictures of a sheet must have one size, as those of one camera have")
    empty = np.broadcast_to(tiles[0][:1, :1], tiles[0].shape)
    tiles += [empty] * (columns * rows - len(tiles))
    lines = [np.concatenate(tiles[row * columns : (row + 1) * columns], 1) for row in range(rows)]
    return np.concatenate(lines, 0)


def earlier_stills(folder: Path, names: Iterable[str]) -> list[str]:
    """File names in `folder` of stills from an earlier run, which stills called `names` may replace.

    Raises `OverwriteError` if a picture of another program has one of these names, or a name `frame_….png`
    like the new ones.
    """
    wanted = {f"{name}.png" for name in names}
    earlier, foreign = [], []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name) if folder.is_dir() else ():
        if not entry.name.endswith(".png"):
            continue
        if entry.is_file(follow_symlinks=False) and _has_mark(Path(entry.path)):
            earlier.append(entry.name)
        elif entry.name in wanted or entry.name.startswith("frame_"):
            foreign.append(entry.name)
    if foreign:
        more = f" and {len(foreign) - 1} more" if foreign[1:] else ""
        raise OverwriteError(
            f"{folder / foreign[0]}{more} cannot be replaced, because another program made it: "
            "move it, or choose another folder"
        )
    return earlier


def _has_mark(path: Path) -> bool:
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return picture.info.get("Software") == MARK
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False  # no PNG, or a damaged one
