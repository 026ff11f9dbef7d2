"""What an evaluation found, as JSON and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

METRICS = ("psnr", "ssim", "lpips", "psnr_masked", "ssim_masked", "lpips_masked")

# Azimuth bins are this wide; one of them is centred on the front.
BIN_DEG = 30

Scores = Mapping[str, float | None]
"""The `METRICS` by name; None where one could not be had."""
Geometry = Mapping[str, Mapping[str, float | int | None]]
"""By region: `mean` and `p90` in mm and the number of `points`."""


@dataclass(frozen=True)
class ViewReport:
    """One view's figures."""

    view: int
    """Index among the capture's views."""
    name: str
    """Its name."""
    azimuth_deg: float
    """Of the camera as seen from the origin, positive to the person's left."""
    elevation_deg: float
    """Likewise, positive above."""
    is_input: bool
    """Whether the method was given it."""
    scores: Scores
    """How like the render is to the photograph."""
    geometry_mm: Geometry | None
    """How far the surface shown lies from the true one; None without Gaussians or a mesh."""


@dataclass(frozen=True)
class Report:
    """One method's figures on one capture."""

    capture: str
    """Name of its folder."""
    method: str
    """Name of the method."""
    inputs: tuple[int, ...]
    """Indices of the views it was given."""
    views: tuple[ViewReport, ...]
    """Every view, in order."""
    geometry_mm: Geometry | None
    """Over the same views as `mean`, all points pooled."""
    seconds: float
    """What the method took."""
    peak_memory_mb: float
    """Most memory in use: of the process on a CPU, allocated on the card with CUDA."""
    device: str
    """Where it ran."""
    lpips_unavailable: str | None
    """Why there is no LPIPS."""
    warnings: tuple[str, ...]
    """What a reader of the figures should know."""
    extra: Mapping[str, object]
    """Further facts the method gives."""
    images: tuple[Tensor, ...]
    """What was compared with each view's photograph, (H, W, 3) in 0…1; in memory only."""

    @property
    def counted(self) -> list[ViewReport]:
        """The views the mean is over: those that were not input, or all where every view was."""
        novel = [view for view in self.views if not view.is_input]
        return novel or list(self.views)

    @property
    def mean(self) -> Scores:
        """Mean of each metric over the counted views."""
        return _mean(self.counted)

    def by_azimuth(self) -> list[dict[str, Any]]:
        """Means of the counted views in bins of `BIN_DEG`, from the person's right to their left."""
        bins: dict[int, list[ViewReport]] = {}
        for view in self.counted:
            # Rounding first keeps a camera on a border from falling to either side by float noise; the
            # bin at the back holds azimuths of both signs.
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

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return {
            "capture": self.capture,
            "method": self.method,
            "inputs": list(self.inputs),
            "mean_over": "novel" if any(not view.is_input for view in self.views) else "inputs",
            "mean": self.mean,
            "by_azimuth": self.by_azimuth(),
            "geometry_mm": self.geometry_mm,
            "seconds": self.seconds,
            "peak_memory_mb": self.peak_memory_mb,
            "device": self.device,
            "lpips_unavailable": self.lpips_unavailable,
            "warnings": list(self.warnings),
            **self.extra,
            "views": [_flat(view) for view in self.views],
        }

    def table(self) -> str:
        """The same for people."""
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
        for region, found in (self.geometry_mm or {}).items():
            if found["mean"] is not None:
                lines.append(f"surface, {region}: mean {found['mean']:.2f} mm, p90 {found['p90']:.2f} mm")
        lines.append(f"{self.seconds:.1f} s, {self.peak_memory_mb:.0f} MB on {self.device}")
        if self.lpips_unavailable:
            lines.append(f"no LPIPS: {self.lpips_unavailable}")
        return "\n".join([*lines, *self.warnings])


def _flat(view: ViewReport) -> dict[str, Any]:
    """A view's fields with its scores among them."""
    fields = asdict(view)
    return {**fields, **fields.pop("scores")}


def _mean(views: Sequence[ViewReport]) -> dict[str, float | None]:
    """Each metric's mean over the views that have it; None where none has."""
    result: dict[str, float | None] = {}
    for name in METRICS:
        values = [value for view in views if (value := view.scores[name]) is not None]
        result[name] = sum(values) / len(values) if values else None
    return result


def _cells(scores: Mapping[str, Any]) -> list[str]:
    """A table's cells for each metric: two digits of dB, four of the others."""
    digits = {name: 2 if name.startswith("psnr") else 4 for name in METRICS}
    return ["–" if scores[name] is None else f"{scores[name]:.{digits[name]}f}" for name in METRICS]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the columns flush right, the first flush left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
