"""What a file of Gaussians holds, in a few figures."""

from pathlib import Path
from typing import Any

from fastavatar.errors import InputError
from fastavatar.formats.registry import format_of
from fastavatar.formats.splats.frames import DEFAULT_FRAME


def facts_of(path: str | Path) -> dict[str, Any]:
    """JSON-ready facts by name; the bounds are those of usable centres, in the file's own frame and metres.

    Raises `InputError` when the file is missing, damaged or holds nothing usable, `UsageError` for an unknown
    ending.
    """
    path = Path(path)
    known = format_of(path)
    stored = known.parse(path)
    try:
        usable, repairs = stored.usable()
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    return {
        "file": str(path),
        "format": known.ending,
        "size_bytes": path.stat().st_size,
        "num_gaussians": len(stored.gaussians),
        "sh_degree": stored.gaussians.sh_degree,
        "frame": stored.frame or DEFAULT_FRAME,
        "frame_stated": stored.frame is not None,
        "bounds_min_m": usable.means.amin(0).tolist(),
        "bounds_max_m": usable.means.amax(0).tolist(),
        "non_finite_rows": repairs.non_finite,
        "zero_quaternion_rows": repairs.zero_quaternions,
        "zero_rows": repairs.zero_rows,
        "clamped_opacities": repairs.infinite_opacities,
        "clamped_scales": repairs.flat_scales,
        "unread_properties": list(stored.unread),
    }
