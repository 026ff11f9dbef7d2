"""The protocol: a method answers a capture, and every view is compared with its photograph."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fastavatar.captures import Capture, View
from fastavatar.errors import UsageError, WeightsError
from fastavatar.evaluation import (
    METHODS,
    REGIONS,
    Answer,
    FlameParts,
    Options,
    OwnView,
    Report,
    ViewReport,
    compare_own_view,
    counted,
    flame_parts,
    surface_differences,
)
from fastavatar.losses import (
    Lpips,
    SurfaceErrors,
    load_lpips,
    mean_similarity,
    pool,
    psnr,
    ssim_map,
    surface_errors,
)
from fastavatar.models import require_device
from fastavatar.rendering import Render, render
from fastavatar.system import peak_memory_mb


def evaluate(capture: Capture, method: str, inputs: Sequence[int], options: Options | None = None) -> Report:
    """Answer `capture` with `method`, a name in `METHODS`, from the views `inputs`; compare every view.

    Images are compared on white, at the capture's size, clamped to 0…1. Photographs are read one at a time.

    Raises `UsageError` for an unknown method or input view, `DeviceError` for a missing device, and what the
    method raises.
    """
    options = options or Options()
    inputs = tuple(dict.fromkeys(inputs))
    _require_question(capture, method, inputs)
    require_device(options.device, draws=True)
    _reset_peak_memory(options.device)
    answer = METHODS[method](capture, inputs, options)
    peak_mb = _peak_memory_mb(options.device)
    lpips, unavailable = _lpips_or_reason(options.device)

    parts = flame_parts(capture)

    views, images, surfaces = [], [], []
    with torch.no_grad():
        for index, (view, image, shown) in enumerate(_shown(capture, answer, options.device)):
            surface = surface_errors(shown, view.camera, capture.mesh) if shown and capture.mesh else None
            azimuth_deg, elevation_deg = view.camera.azimuth_elevation_deg
            found = ViewReport(
                view=index,
                name=view.name,
                azimuth_deg=azimuth_deg,
                elevation_deg=elevation_deg,
                is_input=index in inputs,
                has_mask=view.has_mask,
                scores=_scores(image, view, parts, lpips, options.device),
                own_view=_own_view(shown, view) if shown and index in inputs else None,
                geometry_mm=None if surface is None else surface.summary(),
            )
            views.append(found)
            images.append(image)
            surfaces.append(surface)
    return Report(
        capture=capture.folder.resolve().name,
        method=method,
        inputs=inputs,
        views=tuple(views),
        geometry_mm=_pooled(views, surfaces),
        surface=surface_differences(capture, answer, capture.views[inputs[0]]),
        flame_mm=None if parts is None or answer.mesh is None else parts.distances(capture, answer.mesh),
        seconds=answer.seconds,
        peak_memory_mb=peak_mb,
        device=options.device,
        lpips_unavailable=unavailable,
        warnings=answer.warnings,
        extra=answer.extra,
        images=tuple(images),
    )


def _require_question(capture: Capture, method: str, inputs: Sequence[int]) -> None:
    """Raise `UsageError` for an unknown method, and for inputs that are not views of the capture."""
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}; known are {', '.join(METHODS)}")
    if not inputs:
        raise UsageError("at least one input view is needed")
    for index in inputs:
        if not 0 <= index < len(capture.views):
            raise UsageError(f"input view {index}: {capture.folder} has views 0 to {len(capture.views) - 1}")


def _shown(capture: Capture, answer: Answer, device: str) -> Iterator[tuple[View, Tensor, Render | None]]:
    """Yield each view with the answer's image (H, W, 3) for it, and a render if the answer has Gaussians."""
    gaussians = None if answer.gaussians is None else answer.gaussians.detach().to(device)
    for index, view in enumerate(capture.views):
        if gaussians is not None:
            shown = render(gaussians, view.camera.to(device), compositing=answer.compositing)
            yield view, shown.image.clamp(0, 1).cpu(), shown
        elif answer.images is not None:
            yield view, answer.images[index], None
        else:
            raise ValueError("an answer needs Gaussians or images")


def _own_view(shown: Render, view: View) -> OwnView:
    """The figures of a view that was an input."""
    return compare_own_view(shown, view.image, view.mask if view.has_mask else None)


def _scores(
    image: Tensor, view: View, parts: FlameParts | None, lpips: Lpips | None, device: str
) -> dict[str, float | None]:
    """Every metric of an image (H, W, 3): over the whole image, over the view's mask, and over the head."""
    image, truth, mask = image.to(device), view.image.to(device), view.mask.to(device)
    head = None if parts is None else parts.head_region(view.camera).to(device)
    regions = dict(zip(REGIONS, (None, mask, head), strict=True))
    similarity = ssim_map(image, truth)
    scores: dict[str, float | None] = {}
    for suffix, region in regions.items():
        known = suffix == "" or region is not None
        values = {
            "psnr": psnr(image, truth, region) if known else None,
            "ssim": mean_similarity(similarity, region) if known else None,
            "lpips": lpips(image, truth, region) if known and lpips is not None else None,
        }
        for name, value in values.items():
            scores[name + suffix] = None if value is None or math.isnan(value) else float(value)
    return scores


def _pooled(
    views: Sequence[ViewReport], surfaces: Sequence[SurfaceErrors | None]
) -> dict[str, dict[str, float | int | None]] | None:
    """The surface errors of the views that count in the mean, over the points of all of them."""
    parts = [surfaces[view.view] for view in counted(views)]
    measured = [part for part in parts if part is not None]
    return pool(measured).summary() if measured else None


def _lpips_or_reason(device: str) -> tuple[Lpips | None, str | None]:
    try:
        return load_lpips(device=device), None
    except WeightsError as error:
        return None, str(error)


def _reset_peak_memory(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def _peak_memory_mb(device: str) -> float:
    """Peak memory so far in MB: allocated on the GPU, or held by this process since its start."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 1e6
    return peak_memory_mb()
