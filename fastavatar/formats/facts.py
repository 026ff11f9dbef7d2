"""What a file of Gaussians holds, in a few figures."""

from pathlib import Path
from typing import Any

import torch

from fastavatar.core import Gaussians
from fastavatar.formats.registry import format_of
from fastavatar.formats.splats.frames import DEFAULT_FRAME


def facts_of(path: str | Path) -> dict[str, Any]:
    """JSON-ready facts by name; the bounds are of the finite centres, in the file's own frame and metres.

    Raises `InputError` when the file is missing or damaged, `UsageError` for an unknown ending.
    """
    path = Path(path)
    known = format_of(path)
    stored = known.parse(path)
    finite = finite_rows(stored.gaussians)
    means = stored.gaussians.means[finite]
    return {
        "file": str(path),
        "format": known.ending,
        "size_bytes": path.stat().st_size,
        "num_gaussians": len(stored.gaussians),
        "sh_degree": stored.gaussians.sh_degree,
        "frame": stored.frame or DEFAULT_FRAME,
        "frame_stated": stored.frame is not None,
        "bounds_min_m": means.amin(0).tolist() if len(means) else None,
        "bounds_max_m": means.amax(0).tolist() if len(means) else None,
        "non_finite_rows": int((~finite).sum()),
    }


def finite_rows(gaussians: Gaussians) -> torch.Tensor:
    """(N,) of booleans: whether every number of a Gaussian is finite."""
    values = [
        value.flatten(1) if value.ndim > 1 else value[:, None] for value in gaussians.tensors().values()
    ]
    return torch.cat([value.isfinite().all(1, keepdim=True) for value in values], 1).all(1)
