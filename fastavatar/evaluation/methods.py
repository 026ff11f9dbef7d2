"""The methods: each takes a capture and input views and returns an answer, its prediction for all views.

To add one, write a `Method` and name it in `METHODS`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from fastavatar.captures import Capture, View
from fastavatar.core import Avatar, Gaussians, Mesh, Photo
from fastavatar.errors import UsageError
from fastavatar.evaluation import place_avatar
from fastavatar.head import load_head
from fastavatar.models.published import PublishedOptions
from fastavatar.refinement import photo_of_view
from fastavatar.rendering import Compositing


@dataclass(frozen=True)
class Options:
    """The options that every method gets beside the capture."""

    device: str = "cpu"
    """Where to compute."""
    seed: int = 0
    """Seed of every random choice."""
    iterations: int | None = None
    """Number of optimisation steps; None leaves it to the method, 0 asks for its answer before any step."""
    config: str | None = None
    """How to optimise, a preset or a YAML file; None leaves it to the method."""
    cache_dir: Path | None = None
    """Where weights are kept."""
    offline: bool = False
    """Whether downloads are forbidden."""
    published: PublishedOptions = field(default_factory=PublishedOptions)
    """Options of the published networks."""
    surface_checkpoint: Path | None = None
    """Network of the method `surface`."""
    views_checkpoint: Path | None = None
    """Network of the method `views`."""


@dataclass(frozen=True)
class Answer:
    """A method's prediction: Gaussians to be rendered, or an image for every view."""

    seconds: float
    """Wall-clock time from the inputs to the answer, without loading networks."""
    gaussians: Gaussians | None = None
    """In the capture's frame; None where `images` is given."""
    images: Sequence[Tensor] | None = None
    """One (H, W, 3) in 0…1 for each view of the capture; None where `gaussians` is given."""
    mesh: Mesh | None = None
    """The avatar's surface in the capture's frame; None where the method fits none."""
    baseline: Mesh | None = None
    """The mean head in the same place, for methods whose surface is compared with it."""
    compositing: Compositing = "classic"
    """How the Gaussians' colours meet the background; see `fastavatar.rendering`."""
    warnings: tuple[str, ...] = ()
    """Notes for a reader of the figures, one sentence each."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Further facts for the JSON."""


Method = Callable[[Capture, Sequence[int], Options], Answer]


def answer_white(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """A white image for every view: its score is what the background alone is worth."""
    cameras = [view.camera for view in capture.views]
    white = torch.ones(())  # one number, expanded to images of any size without using memory
    return Answer(0.0, images=[white.expand(camera.height, camera.width, 3) for camera in cameras])


def answer_input(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """For every view the input photo with the nearest camera: a baseline that ignores the camera.

    Raises `UsageError` where the views differ in size.
    """
    given = [capture.views[index] for index in inputs]
    gazes = torch.stack([_gaze(view) for view in given])
    images = []
    for view in capture.views:
        nearest = given[int((gazes @ _gaze(view)).argmax())]
        if (nearest.camera.width, nearest.camera.height) != (view.camera.width, view.camera.height):
            raise UsageError("the method 'input' needs views of one size")
        images.append(nearest.image)
    return Answer(0.0, images=images)


def answer_photo(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """The embedded model on photos with their focal lengths; the avatar is placed by the first one's camera.

    The capture's depth then fixes the size. The cameras of the other photos are not used. With `iterations`
    the avatar is refined on the photos first, by `config`.
    """
    from fastavatar.models.facemesh import FaceMeshPredictor

    views = [capture.views[index] for index in inputs]
    predictor = FaceMeshPredictor(options.device, options.seed)
    start = time.perf_counter()
    avatar = predictor.predict_several([_photo(capture, view) for view in views])
    if options.iterations:
        from fastavatar.refinement import refine

        avatar = refine(
            avatar,
            None,
            options.config,
            iterations=options.iterations,
            seed=options.seed,
            device=options.device,
        )
    seconds = time.perf_counter() - start
    placed = place_avatar(avatar, capture, views[0])
    return Answer(
        seconds,
        gaussians=placed.gaussians,
        mesh=placed.mesh,
        warnings=(*avatar.provenance.warnings, *placed.warnings),
        extra={"scale": placed.scale, "scale_points": placed.points},
    )


def answer_surface(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """A trained network's signed distance field from one photo with its focal length, placed like `photo`.

    Raises `UsageError` for several inputs and without a checkpoint.
    """
    from fastavatar.models.surface import SurfacePredictor

    if options.surface_checkpoint is None:
        raise UsageError("the method surface needs a checkpoint: `fastavatar train surface` makes one")
    if len(inputs) != 1:
        raise UsageError(f"the method surface takes one input view, found {len(inputs)}")
    view = capture.views[inputs[0]]
    predictor = SurfacePredictor(options.surface_checkpoint, options.device, options.seed)
    start = time.perf_counter()
    avatar = predictor.predict(_photo(capture, view))
    seconds = time.perf_counter() - start
    return _beside_mean_head(avatar, seconds, capture, view)


def answer_views(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """A trained network's oriented points from any number of photos with their focal lengths.

    The surface is placed like that of `photo`; what closes it below is left out, as captures end there.
    Raises `UsageError` without a checkpoint.
    """
    from fastavatar.models.views import ViewsPredictor, open_part

    if options.views_checkpoint is None:
        raise UsageError("the method views needs a checkpoint: `fastavatar train views` makes one")
    views = [capture.views[index] for index in inputs]
    predictor = ViewsPredictor(options.views_checkpoint, options.device, options.seed)
    start = time.perf_counter()
    avatar = predictor.predict_several([_photo(capture, view) for view in views])
    seconds = time.perf_counter() - start
    assert avatar.mesh is not None
    mesh = open_part(avatar.mesh, torch.from_numpy(avatar.arrays["points"]))
    avatar = replace(avatar, mesh=mesh, binding=None)
    return _beside_mean_head(avatar, seconds, capture, views[0])


def _beside_mean_head(avatar: Avatar, seconds: float, capture: Capture, view: View) -> Answer:
    """The avatar placed by its view's camera, and the mean head in the same place."""
    placed = place_avatar(avatar, capture, view)
    return Answer(
        seconds,
        gaussians=placed.gaussians,
        mesh=placed.mesh,
        baseline=placed.move.mesh(load_head().mesh()),
        warnings=(*avatar.provenance.warnings, *placed.warnings),
        extra={"scale": placed.scale, "scale_points": placed.points},
    )


def answer_guided(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    """Gaussians at the capture's points, refined on the input views: the FastAvatar paper's protocol.

    With `iterations` 0 they are the start of refinement: the published networks' feed-forward answer, or
    discs where these networks are not used.
    """
    from fastavatar.models.published import made_up_warnings
    from fastavatar.refinement import (
        choose_preset,
        load_config,
        load_networks_for,
        refine_gaussians,
        start_of,
    )

    views = [capture.views[index] for index in inputs]
    preset, reason = choose_preset(options.config, capture, len(views), options.cache_dir, options.published)
    config = load_config(preset)
    networks = load_networks_for(
        config, options.device, options.cache_dir, options.offline, options.published
    )
    start_time = time.perf_counter()
    start = start_of(capture, views, networks)
    extra: dict[str, object] = {"config": preset, "config_reason": reason, "iterations": 0}
    gaussians = start.gaussians
    if options.iterations != 0:
        outcome = refine_gaussians(
            start.latent or gaussians,
            views,
            config,
            iterations=options.iterations,
            seed=options.seed,
            device=options.device,
        )
        gaussians = outcome.gaussians
        extra |= {
            "iterations": outcome.steps,
            "refine_seconds": round(outcome.seconds, 3),
            "loss": vars(outcome.loss.weights),
            "no_lpips": outcome.loss.no_lpips,
        }
    return Answer(
        time.perf_counter() - start_time,
        gaussians=gaussians,
        compositing=config.compositing,
        warnings=made_up_warnings(start.made_up),
        extra=extra | {"num_gaussians": len(gaussians)},
    )


METHODS: dict[str, Method] = {
    "guided": answer_guided,
    "photo": answer_photo,
    "surface": answer_surface,
    "views": answer_views,
    "white": answer_white,
    "input": answer_input,
}


def _gaze(view: View) -> Tensor:
    """(3,) direction from the origin to the camera, unit length."""
    return torch.nn.functional.normalize(view.camera.center, dim=0)


def _photo(capture: Capture, view: View) -> Photo:
    """The view as a photo with its focal length, without its mask, which the model must find itself."""
    return replace(photo_of_view(view, capture.folder), alpha=None)
