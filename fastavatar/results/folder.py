"""The folder of results: `splats.ply`, `preview.png`, the model's own arrays and `summary.json`."""

import json
import time
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from fastavatar.core import Avatar
from fastavatar.errors import OverwriteError
from fastavatar.formats.html.page import viewer_page
from fastavatar.formats.splats.ply import encode_ply
from fastavatar.results.environment import peak_memory_mb, versions
from fastavatar.results.film import write_turntable
from fastavatar.results.outputs import PREVIEW, SPLATS, SUMMARY, TURNTABLE, VIEWER, Outputs
from fastavatar.results.preview import compose_preview
from fastavatar.results.staging import require_folder, staged
from fastavatar.results.summary import Run, summarize
from fastavatar.system.atomic import refusals_told


def require_writable(folder: Path, overwrite: bool = False, names: Iterable[str] = ()) -> None:
    """Raise in one line when results cannot or may not be written to `folder`.

    Raises `OverwriteError` when results are there already, or files of these further `names`, and
    `overwrite` is off; `UsageError` when `folder` is a file; `FastAvatarError` without permission.
    """
    require_folder(folder)
    taken = sorted({*_results_in(folder), *(name for name in names if (folder / name).exists())})
    if taken and not overwrite:
        raise OverwriteError(
            f"{folder} holds results already ({', '.join(taken)}); "
            "choose another folder or allow overwriting with --force"
        )


def write_results(
    avatar: Avatar,
    folder: Path,
    overwrite: bool = False,
    outputs: Outputs | None = None,
    run: Run | None = None,
) -> Path:
    """Write every result that `outputs` asks for into `folder`, all or none, and return it.

    Results of an earlier run are replaced when `overwrite` is on; other files in the folder stay.
    Raises what `require_writable` raises, `FastAvatarError` when the disk is full, and what writing each file
    raises.
    """
    outputs = outputs or Outputs()
    arrays = {f"{name}.npy": array for name, array in avatar.arrays.items()}
    shown = [*([TURNTABLE] if outputs.turntable else []), *([VIEWER] if outputs.viewer else [])]
    files = [*([SPLATS] if outputs.save_ply else []), *arrays, PREVIEW, *shown, SUMMARY]
    require_writable(folder, overwrite, files)
    made = avatar.provenance
    seconds = dict(made.seconds)
    with refusals_told(folder), staged(folder, _results_in(folder)) as staging:
        started = time.perf_counter()
        if outputs.save_ply:
            (staging / SPLATS).write_bytes(encode_ply(avatar.gaussians, outputs.frame))
        for name, array in arrays.items():
            np.save(staging / name, array, allow_pickle=False)
        seconds["write"] = time.perf_counter() - started

        started = time.perf_counter()
        # in drawings only runs repeat: as small as after a full search, in a third of the time
        Image.fromarray(compose_preview(avatar, outputs.background)).save(
            staging / PREVIEW, compress_type=zlib.Z_RLE
        )
        seconds["preview"] = time.perf_counter() - started

        if outputs.turntable:
            started = time.perf_counter()
            write_turntable(avatar.gaussians, staging / TURNTABLE, outputs.background)
            seconds["turntable"] = time.perf_counter() - started

        if outputs.viewer:
            started = time.perf_counter()
            (staging / VIEWER).write_bytes(viewer_page(avatar.gaussians))
            seconds["viewer"] = time.perf_counter() - started

        summary = summarize(avatar, run or Run(), outputs.frame, files, seconds, versions(), peak_memory_mb())
        text = json.dumps(summary, indent=2, allow_nan=False)
        (staging / SUMMARY).write_text(text + "\n", encoding="utf-8")
    return folder


def _results_in(folder: Path) -> set[str]:
    """Names of the results an earlier run left in `folder`: the usual ones and those its summary lists."""
    names = {SPLATS, PREVIEW, SUMMARY}
    try:
        listed = json.loads((folder / SUMMARY).read_bytes())["files"]
        names |= {name for name in listed if Path(name).name == name}
    except (OSError, ValueError, TypeError, KeyError):
        pass  # no summary, or one of another program
    return {name for name in names if (folder / name).is_file()}
