"""The protocol: a method answers a capture, and every view is compared with its photograph."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fastavatar.captures import Capture, View
from fastavatar.errors import UsageError, WeightsError
from fastavatar.evaluation import METHODS, Answer, Options, Report, ViewReport, counted
from fastavatar.losses import Lpips, SurfaceErrors, load_lpips, pool, psnr, ssim, surface_errors
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
                scores=_scores(image, view, lpips, options.device),
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


def _scores(image: Tensor, view: View, lpips: Lpips | None, device: str) -> dict[str, float | None]:
    """Every metric of an image (H, W, 3), over the whole image and over the view's mask."""
    image, truth, mask = image.to(device), view.image.to(device), view.mask.to(device)
    scores: dict[str, float | None] = {}
    for name, metric in (("psnr", psnr), ("ssim", ssim), ("lpips", lpips)):
        for suffix, region in (("", None), ("_masked", mask)):
            value = None if metric is None else float(metric(image, truth, region))
            scores[name + suffix] = None if value is None or math.isnan(value) else value
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
