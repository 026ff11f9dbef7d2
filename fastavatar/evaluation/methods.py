"""The ways to answer a capture: each takes a capture and its input views and returns what it believes.

To add one, write a `Method` and name it in `METHODS`.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from fastavatar.captures import Capture, View
from fastavatar.core import Photo
from fastavatar.errors import UsageError
from fastavatar.evaluation.answers import Answer, Method, Options
from fastavatar.evaluation.guided import answer_guided
from fastavatar.evaluation.placement import place_avatar


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
    """The embedded model on photos and their focal lengths, put where the first one's camera saw it.

    Its size is then fixed by the capture's depth. Of the other photos no camera is told. With
    `iterations` it is refined on the photos first, by `config`.
    """
    from fastavatar.models.facemesh.predictor import FaceMeshPredictor

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
        warnings=(*avatar.provenance.warnings, *placed.warnings),
        extra={"scale": placed.scale, "scale_points": placed.points},
    )


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
