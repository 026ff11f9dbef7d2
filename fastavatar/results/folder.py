"""The folder of results: `splats.ply`, `head.npz`, `preview.png`, a model's own arrays and `summary.json`."""

import json
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from fastavatar.core import Avatar
from fastavatar.formats import write_mesh
from fastavatar.formats.html import viewer_page
from fastavatar.formats.splats import encode_ply
from fastavatar.meshing import TEXTURE_PX, extract_mesh, printable
from fastavatar.results import (
    CHECKSUM_FIELD,
    HEAD,
    MESH_FILES,
    PREVIEW,
    SPLATS,
    SUMMARY,
    TURNTABLE,
    VIEWER,
    Outputs,
    Run,
    Written,
    checksum_of,
    clear_staging,
    compose_preview,
    encode_head,
    places_of_results,
    require_apart,
    require_folder,
    require_replaceable,
    staged,
    summarize,
    versions,
    write_turntable,
)
from fastavatar.system import peak_memory_mb, refusals_in_one_line

_LEAST_ROOM_BYTES = 3_000_000
"""Bytes of the smallest results: 10,144 Gaussians of 248 bytes and a preview of 0.8 MB."""


def require_writable(
    folder: Path, overwrite: bool = False, names: Iterable[str] = (), inputs: Iterable[str | Path] = ()
) -> None:
    """Raise when results cannot or may not be written to `folder`.

    Half-written results of a killed run are undone first. Raises `UsageError` when `folder` is a file or a
    result would overwrite one of `inputs`; `OverwriteError` for existing results, or files of these `names`,
    when `overwrite` is off or this program did not write them; `FastAvatarError` when the file system
    refuses.
    """
    names = list(names)
    require_folder(folder, _LEAST_ROOM_BYTES)
    clear_staging(folder)
    require_apart(inputs, places_of_results(folder, names))
    require_replaceable(folder, overwrite, names)


def write_results(
    avatar: Avatar,
    folder: Path,
    overwrite: bool = False,
    outputs: Outputs | None = None,
    run: Run | None = None,
) -> Path:
    """Write every result that `outputs` asks for into `folder`, all or none, and return it.

    Results of an earlier run are replaced when `overwrite` is on; other files in the folder stay. Of two runs
    that write to one folder at once, one writes all its results, then the other one replaces all of them or
    raises. Raises what `require_writable` raises, with the avatar's photos and `run.inputs` as inputs,
    `FastAvatarError` when the disk is full, and what writing each file raises.
    """
    outputs, run = outputs or Outputs(), run or Run()
    arrays = {f"{name}.npy": array for name, array in avatar.arrays.items()}
    files = outputs.names(avatar.arrays, avatar.mesh is not None)
    read = [avatar.photo.path, *(photo.path for photo, _ in avatar.others), *run.inputs]
    require_writable(folder, overwrite, files, read)

    def replaced() -> Iterator[str]:
        yield from require_replaceable(
            folder, overwrite, files
        )  # checked again, because files may have appeared during the work

    made = avatar.provenance
    seconds = dict(made.seconds)
    with refusals_in_one_line(folder), staged(folder, replaced()) as staging:
        started = time.perf_counter()
        if outputs.save_ply:
            (staging / SPLATS).write_bytes(encode_ply(avatar.gaussians, outputs.frame))
        if HEAD in files:
            (staging / HEAD).write_bytes(encode_head(avatar))
        for name, array in arrays.items():
            np.save(staging / name, array, allow_pickle=False)
        seconds["write"] = time.perf_counter() - started

        started = time.perf_counter()
        # run-length matching only: a render compresses as well as with a full search, in a third of the time
        Image.fromarray(compose_preview(avatar, outputs.background)).save(
            staging / PREVIEW, compress_type=zlib.Z_RLE
        )
        seconds["preview"] = time.perf_counter() - started

        seconds |= _write_wanted(avatar, outputs, run, staging)
        written = {name: Written.of(staging / name) for name in files if name != SUMMARY}
        summary = summarize(avatar, run, outputs.frame, written, seconds, versions(), peak_memory_mb())
        stated = json.loads(json.dumps(summary, allow_nan=False))  # tuples are lists from here on
        text = json.dumps({**stated, CHECKSUM_FIELD: checksum_of(stated)}, indent=2)
        (staging / SUMMARY).write_text(text + "\n", encoding="utf-8")
    return folder


def _write_wanted(avatar: Avatar, outputs: Outputs, run: Run, folder: Path) -> dict[str, float]:
    """Write the files that only some runs ask for; the seconds of each by its name in a summary."""
    seconds = {}
    if outputs.turntable:
        started = time.perf_counter()
        write_turntable(avatar.gaussians, folder / TURNTABLE, outputs.background)
        seconds["turntable"] = time.perf_counter() - started
    if outputs.viewer:
        started = time.perf_counter()
        (folder / VIEWER).write_bytes(viewer_page(avatar.gaussians))
        seconds["viewer"] = time.perf_counter() - started
    if outputs.mesh:
        started = time.perf_counter()
        prints = outputs.mesh == "stl"
        # The model's own mesh has shoulders even where their Gaussians are gone
        shoulders = bool(run.settings.get("shoulders", True))
        mesh = extract_mesh(avatar, texture_px=0 if prints else TEXTURE_PX, shoulders=shoulders)
        write_mesh(printable(mesh) if prints else mesh, folder / MESH_FILES[outputs.mesh][0])
        seconds["mesh"] = time.perf_counter() - started
    return seconds
