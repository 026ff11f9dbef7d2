"""One photo's folder of results, here or at an address: whether it is complete and may be written.

The folders, not the index, decide what a run has done. Results are complete when there is a summary and every
file that it lists has the size that it states.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastavatar.app.batch import (
    Mode,
    PhotoTask,
    Row,
    checked_row,
    is_address,
    join,
    names_in,
    read,
    sizes_in,
    write,
)
from fastavatar.errors import InputError, OverwriteError, UsageError
from fastavatar.results import PREVIEW, SPLATS, SUMMARY, clear_staging, own_results
from fastavatar.system import workspace

if TYPE_CHECKING:
    from fastavatar.app.pipeline import Pipeline
    from fastavatar.core import Avatar

Summary = Mapping[str, Any]

_NO_SUMMARY = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading a summary raises where there is none, or where the file is no summary."""
_SHARED_BYTES = 64
"""First bytes that the summaries of two runs on one photo have in common: they end before the path."""


def complete_summary(output: str) -> Summary | None:
    """The summary in a folder of results; None unless every file it lists is there with its recorded size.

    Summaries of earlier versions state no sizes: their files only have to be there. What a killed run left
    half-done is undone first. Raises `InputError` where the files at an address cannot be listed.
    """
    elsewhere = is_address(output)
    there = sizes_in(output) if elsewhere else {}
    try:
        if not elsewhere:
            clear_staging(Path(output))
            there = sizes_in(output)
        summary: Any = json.loads(read(join(output, SUMMARY)))
        recorded = summary.get("checksums", {})
        listed = {name: recorded.get(name, {"bytes": there[name]})["bytes"] for name in summary["files"]}
        complete = all(there.get(name) == size and size > 0 for name, size in listed.items())
    except _NO_SUMMARY:
        return None
    return summary if complete else None


def finished_row(task: PhotoTask, since: datetime | None = None) -> Row | None:
    """The row of complete results; None where results are incomplete or belong to another photo.

    Results begun before `since` do not count.
    """
    summary = None
    with suppress(InputError):  # the error comes back when the results are made
        summary = complete_summary(task.output)
    return None if summary is None else row_of(summary, task, since)


def row_of(summary: Summary, task: PhotoTask, since: datetime | None = None) -> Row | None:
    """The row of `task` with this summary; None if another photo's or begun before `since`."""
    try:
        same = os.path.abspath(summary["image_path"]) == os.path.abspath(task.photo)
        if not same or (since is not None and datetime.fromisoformat(summary["started"]) < since):
            return None
        found = {
            "photo": task.photo,
            "status": "ok",
            "error_code": 0,
            "error": "",
            "count": summary["num_gaussians"],
            "seconds": round(sum(summary["seconds"].values()), 3),
            "model": summary["model"],
            "output": task.output,
        }
    except _NO_SUMMARY:
        return None
    return checked_row(found)


def require_same_settings(summary: Summary, asked: Mapping[str, Any], output: str) -> None:
    """Raise `UsageError` with the first difference if results were made with settings other than `asked`.

    Settings that the summary lacks, because an earlier version wrote it, are not compared.
    """
    recorded = summary.get("settings")
    made = {"seed": summary.get("seed"), "frame": summary.get("frame"), "model": summary.get("model")}
    made = {name: value for name, value in made.items() if value is not None}
    made |= recorded if isinstance(recorded, dict) else {}
    for name, value in asked.items():
        if name in made and made[name] != value:
            was, now = (json.dumps(one) for one in (made[name], value))
            raise UsageError(
                f"{output} was made with {name} {was}, this run asks for {now}: resume with the "
                "settings of that run, or choose another folder"
            )


def prepare(task: PhotoTask, mode: Mode) -> None:
    """Undo what a killed run left half-done in a task's folder, and check that results may be written there.

    Raises `OverwriteError` for existing results in mode `new`, and in mode `resume` for complete results of
    another photo; also what `require_writable` raises.
    """
    folder = task.output
    if not is_address(folder):
        from fastavatar.results import require_writable

        clear_staging(Path(folder))
        if mode != "resume":
            require_writable(Path(folder), overwrite=mode == "force")
            return
    elif mode == "new" and (taken := sorted(names_in(folder) & {SPLATS, PREVIEW, SUMMARY})):
        raise OverwriteError(
            f"{folder} holds results already ({', '.join(taken)}); choose another folder or use force"
        )
    if mode == "resume" and (summary := complete_summary(folder)) is not None:
        other = summary.get("image_path")
        raise OverwriteError(f"{folder} holds the results of {other}: choose another folder")


def fill(task: PhotoTask, pipeline: "Pipeline", avatar: "Avatar", mode: Mode, started: datetime) -> None:
    """Write a photo's results into its folder.

    On this machine either all results are written or none. At an address the summary is written last, and
    results without a summary do not count. Raises what `Pipeline.save` raises, and `OverwriteError` for an
    existing file that was not provably left by a killed run or this program.
    """
    if not is_address(task.output):
        folder = Path(task.output)
        if mode == "resume":
            _clear_incomplete(folder, pipeline, avatar, started, task.photo)
        pipeline.save(avatar, folder, mode != "new", started, task.photo)
        return
    with workspace() as temporary:
        pipeline.save(avatar, temporary, False, started, task.photo)
        for path in sorted(temporary.iterdir(), key=lambda path: path.name == SUMMARY):
            write(join(task.output, path.name), path.read_bytes())


def clear(output: str) -> None:
    """Undo what a killed run left half-done in a folder of results, and remove the folder if it is empty."""
    if not is_address(output):
        clear_staging(Path(output))


def _clear_incomplete(
    folder: Path, pipeline: "Pipeline", avatar: "Avatar", started: datetime, photo: str
) -> None:
    """Remove results that are cut off or lack their summary, if the new results begin with the same bytes.

    An edited `splats.ply` is therefore never treated as a damaged one: where a file differs, it stays, and
    writing the results raises.
    """
    if not folder.is_dir():
        return
    with workspace() as new:
        own, written = own_results(folder), False
        for old in sorted(folder.iterdir()):
            if old.name in own or old.name.startswith(".") or old.is_symlink() or not old.is_file():
                continue
            if not written:
                pipeline.save(avatar, new, False, started, photo)
                written = True
            if (new / old.name).is_file() and _begins(old, new / old.name):
                old.unlink()


def _begins(old: Path, new: Path) -> bool:
    """Whether the file `new` begins with what `old` holds.

    Summaries state times, which differ, so only the first bytes of a torn summary are compared.
    """
    if old.stat().st_size > new.stat().st_size and old.name != SUMMARY:
        return False
    before, after = old.read_bytes(), new.read_bytes()
    if after.startswith(before):
        return True
    return old.name == SUMMARY and not _is_json(before) and before[:_SHARED_BYTES] == after[:_SHARED_BYTES]


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
