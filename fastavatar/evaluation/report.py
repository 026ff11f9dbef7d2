"""The figures of an evaluation: as JSON and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from fastavatar.evaluation import Differences, OwnView, mean_own_view

REGIONS = ("", "_masked", "_head")
"""Suffixes of the metrics: the whole picture, the person's mask, and the head, from the lower neck up."""
METRICS = tuple(metric + region for region in REGIONS for metric in ("psnr", "ssim", "lpips"))

BIN_DEG = 30
"""Width of an azimuth bin in degrees; one bin is centred on the front."""

Scores = Mapping[str, float | None]
"""The `METRICS` by name; None where one could not be computed, or a capture has no such region."""
Geometry = Mapping[str, Mapping[str, float | int | None]]
"""By region: `mean` and `p90` in mm and the number of `points`."""


@dataclass(frozen=True, kw_only=True)
class ViewReport:
    """One view's figures."""

    view: int
    """Index among the capture's views."""
    name: str
    """The view's name."""
    azimuth_deg: float
    """Azimuth of the camera as seen from the origin, positive to the person's left."""
    elevation_deg: float
    """Elevation of the camera as seen from the origin, positive upward."""
    is_input: bool
    """Whether this view was an input of the method."""
    has_mask: bool
    """Whether the capture has a mask of this view; without one masked metrics cover the whole image."""
    scores: Scores
    """How similar the render is to the photograph."""
    geometry_mm: Geometry | None
    """Distance of the rendered surface from the true one; None without Gaussians or a mesh."""
    own_view: OwnView | None = None
    """How an avatar looks from its own photo; None for views that were not inputs and without Gaussians."""


def counted(views: Sequence[ViewReport]) -> list[ViewReport]:
    """The views that count in a mean: those that were not inputs, or all views if each was an input."""
    return [view for view in views if not view.is_input] or list(views)


@dataclass(frozen=True, kw_only=True)
class Report:
    """One method's figures on one capture."""

    capture: str
    """Name of the capture's folder."""
    method: str
    """Name of the method."""
    inputs: tuple[int, ...]
    """Indices of the input views."""
    views: tuple[ViewReport, ...]
    """Every view, in order."""
    geometry_mm: Geometry | None
    """Surface errors over the same views as `mean`, all points pooled."""
    flame_mm: Geometry | None
    """Distance of the capture's FLAME points from the avatar's mesh, by `FlamePart`; None without either."""
    surface: Differences | None
    """The answer's mesh compared with the true one; None without either."""
    seconds: float
    """Seconds that the method took, without loading networks."""
    peak_memory_mb: float
    """Peak memory: of the process on a CPU, allocated on the GPU with CUDA."""
    device: str
    """Where the method and the comparison ran."""
    lpips_unavailable: str | None
    """Why LPIPS could not be computed; None if it was."""
    warnings: tuple[str, ...]
    """Notes for a reader of the figures."""
    extra: Mapping[str, object]
    """Further facts that the method states, JSON-ready."""
    images: tuple[Tensor, ...]
    """The image (H, W, 3) in 0…1 that was compared with each view's photograph; not in the JSON."""

    @property
    def counted(self) -> list[ViewReport]:
        """The views in the mean, see `counted`."""
        return counted(self.views)

    @property
    def mean(self) -> Scores:
        """Mean of each metric over the counted views."""
        return _mean(self.counted)

    @property
    def own_view(self) -> OwnView | None:
        """The mean over the input views; None if there is no such figure."""
        return mean_own_view([view.own_view for view in self.views if view.own_view is not None])

    def by_azimuth(self) -> list[dict[str, Any]]:
        """Means of the counted views in bins of `BIN_DEG`, from the person's right to their left."""
        bins: dict[int, list[ViewReport]] = {}
        for view in self.counted:
            # Rounded first, so that float noise does not decide the bin of a camera on a border. The bin at
            # the back holds azimuths of both signs.
            number = int((round(view.azimuth_deg, 2) + BIN_DEG / 2) // BIN_DEG)
            bins.setdefault(180 // BIN_DEG if number == -180 // BIN_DEG else number, []).append(view)
        return [
            {
                "azimuth_deg": [(k - 0.5) * BIN_DEG, (k + 0.5) * BIN_DEG],
                "views": len(bins[k]),
                **_mean(bins[k]),
            }
            for k in sorted(bins)
        ]

    @property
    def views_with_mask(self) -> int:
        """How many views have a mask."""
        return sum(view.has_mask for view in self.views)

    def to_json(self) -> dict[str, Any]:
        """Every figure, JSON-ready."""
        return {
            "capture": self.capture,
            "method": self.method,
            "inputs": list(self.inputs),
            "mean_over": "novel" if any(not view.is_input for view in self.views) else "inputs",
            "mean": self.mean,
            "views_with_mask": self.views_with_mask,
            "by_azimuth": self.by_azimuth(),
            "own_view": None if self.own_view is None else asdict(self.own_view),
            "geometry_mm": self.geometry_mm,
            "flame_mm": self.flame_mm,
            "surface": self.surface,
            "seconds": self.seconds,
            "peak_memory_mb": self.peak_memory_mb,
            "device": self.device,
            "lpips_unavailable": self.lpips_unavailable,
            "warnings": list(self.warnings),
            **self.extra,
            "views": [_flat(view) for view in self.views],
        }

    def table(self) -> str:
        """The same figures as lines of text."""
        heading = ["view", "azimuth", *METRICS]
        rows = [
            [view.name + (" *" if view.is_input else ""), f"{view.azimuth_deg:.0f}°", *_cells(view.scores)]
            for view in self.views
        ]
        bins = [
            [f"{b['views']} views", "{:.0f}…{:.0f}°".format(*b["azimuth_deg"]), *_cells(b)]
            for b in self.by_azimuth()
        ]
        mean = [["mean", f"{len(self.counted)} views", *_cells(self.mean)]]
        given = " ".join(str(index) for index in self.inputs)
        lines = [
            f"{self.capture} · {self.method} · input {given} (*)",
            *_aligned([heading, *rows, *bins, *mean]),
        ]
        if self.own_view is not None:
            lines.append(self.own_view.line())
        lines += _surface_lines("surface", self.geometry_mm) + _surface_lines("FLAME points", self.flame_mm)
        lines += _difference_lines(self.surface)
        lines.append(f"{self.seconds:.1f} s, {self.peak_memory_mb:.0f} MB on {self.device}")
        lines.append(f"{self.views_with_mask} of {len(self.views)} views have masks")
        if self.lpips_unavailable:
            lines.append(f"no LPIPS: {self.lpips_unavailable}")
        return "\n".join([*lines, *self.warnings])


def _surface_lines(what: str, found: Geometry | None) -> list[str]:
    """A line for each region of a surface that has points."""
    return [
        f"{what}, {region}: mean {errors['mean']:.2f} mm, p90 {errors['p90']:.2f} mm"
        for region, errors in (found or {}).items()
        if errors["mean"] is not None
    ]


def _difference_lines(found: Differences | None) -> list[str]:
    """A line for the whole mesh, one for what the first input view sees, and the same of the mean head."""
    lines = []
    for part, one in (found or {}).items():
        if one is not None:
            color = "" if one["color"] is None else f", colours {one['color']:.3f}"
            figures = f"Chamfer {one['chamfer_mm']:.2f} mm, normals {one['normal_deg']:.1f}°{color}"
            lines.append(f"mesh, {part.replace('_', ' ')}: {figures}")
    return lines


def _flat(view: ViewReport) -> dict[str, Any]:
    """A view's fields as one flat mapping, scores included."""
    fields = asdict(view)
    return {**fields, **fields.pop("scores")}


def _mean(views: Sequence[ViewReport]) -> dict[str, float | None]:
    """Each metric's mean over the views that have it; None if no view has it."""
    result: dict[str, float | None] = {}
    for name in METRICS:
        values = [value for view in views if (value := view.scores[name]) is not None]
        result[name] = sum(values) / len(values) if values else None
    return result


def _cells(scores: Mapping[str, Any]) -> list[str]:
    """A table's cells for each metric: two decimals for dB, four for the others."""
    digits = {name: 2 if name.startswith("psnr") else 4 for name in METRICS}
    return ["–" if scores[name] is None else f"{scores[name]:.{digits[name]}f}" for name in METRICS]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of text with aligned columns: the first flush left, the others flush right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
