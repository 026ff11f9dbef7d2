"""The ways to answer a capture: each takes a capture and its input views and returns what it believes.

To add one, write a `Method` and name it in `METHODS`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from fastavatar.captures import Capture, View
from fastavatar.errors import InputError, UsageError
from fastavatar.evaluate.placement import place_avatar
from fastavatar.gaussians import Gaussians
from fastavatar.images.photo import Photo
from fastavatar.render import Compositing


@dataclass(frozen=True)
class Options:
    """What every method is told beside the capture."""

    device: str = "cpu"
    """Where to compute."""
    seed: int = 0
    """Of every random choice."""
    iterations: int | None = None
    """Optimisation steps; None leaves them to the method."""


@dataclass(frozen=True)
class Answer:
    """What a method believes: Gaussians to be rendered, or an image for every view."""

    seconds: float
    """Wall-clock time from the inputs to the answer, without loading networks."""
    gaussians: Gaussians | None = None
    """In the capture's frame; None where `images` is given."""
    images: tuple[Tensor, ...] | None = None
    """One (H, W, 3) in 0…1 for each view of the capture; None where `gaussians` is given."""
    compositing: Compositing = "classic"
    """How the Gaussians' colours meet the background; see `fastavatar.render`."""
    warnings: tuple[str, ...] = ()
    """What a reader of the figures should know, one sentence each."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Further facts for the JSON."""


Method = Callable[[Capture, Sequence[int], Options], Answer]


def answer_white(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """White everywhere: the floor that the background alone is worth."""
    return Answer(0.0, images=tuple(torch.ones_like(view.image) for view in capture.views))


def answer_input(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """For every view the input photo taken nearest to it: the floor that ignoring the camera is worth."""
    given = torch.stack([_gaze(capture.views[index]) for index in inputs])
    images = []
    for view in capture.views:
        image = capture.views[inputs[int((given @ _gaze(view)).argmax())]].image
        if image.shape != view.image.shape:
            raise UsageError("the method 'input' needs views of one size")
        images.append(image)
    return Answer(0.0, images=tuple(images))


def answer_photo(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """The embedded model on one photo and its focal length, its size then fixed by the capture's depth."""
    from fastavatar.models import load_predictor

    if len(inputs) != 1:
        raise UsageError(f"the method 'photo' takes one input view, found {len(inputs)}")
    view = capture.views[inputs[0]]
    predictor = load_predictor("facemesh", device=options.device, seed=options.seed)
    start = time.perf_counter()
    avatar = predictor.predict(_photo(capture, view))
    seconds = time.perf_counter() - start
    placed = place_avatar(avatar, capture, view)
    return Answer(
        seconds,
        gaussians=placed.gaussians,
        warnings=(*avatar.provenance.warnings, *placed.warnings),
        extra={"scale": placed.scale, "scale_points": placed.points},
    )


def answer_guided(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """The capture's points and cameras are given, appearance comes from the input views: the paper's way.

    Without the published weights: discs at the points, refined directly.
    """
    from fastavatar.refine import refine_gaussians, start_from_points
    from fastavatar.refine.run import default_preset

    if capture.points is None:
        raise InputError(f"the method 'guided' needs points, and {capture.folder} has none")
    views = [capture.views[index] for index in inputs]
    start = time.perf_counter()
    outcome = refine_gaussians(
        start_from_points(capture.points, views),
        views,
        iterations=options.iterations,
        seed=options.seed,
        device=options.device,
    )
    extra = {
        "config": default_preset(len(views)),
        "iterations": outcome.steps,
        "num_gaussians": len(outcome.gaussians),
        "refine_seconds": round(outcome.seconds, 3),
    }
    return Answer(time.perf_counter() - start, gaussians=outcome.gaussians, extra=extra)


METHODS: dict[str, Method] = {
    "guided": answer_guided,
    "photo": answer_photo,
    "white": answer_white,
    "input": answer_input,
}


def _gaze(view: View) -> Tensor:
    """(3,) direction from the origin to the camera, unit length."""
    return torch.nn.functional.normalize(view.camera.center, dim=0)


def _photo(capture: Capture, view: View) -> Photo:
    """The view as if it had been loaded from a file that tells its focal length."""
    rgb = (view.image * 255).round().to(torch.uint8).numpy()
    return Photo(rgb, None, float(view.camera.K[0, 0]), Path(capture.folder) / f"{view.name}.png")
