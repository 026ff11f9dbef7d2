"""What a trained network makes of photos, as a cloud beside the truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.app.points import Estimator
from fastavatar.errors import UsageError, WeightsError
from fastavatar.formats import Cloud
from fastavatar.surfaces import CloudSamples, shuffled

if TYPE_CHECKING:
    from fastavatar.core import Photo
    from fastavatar.models.surface import Framed, SurfaceNetwork

ASKED = 60_000
"""Points of each set that a field of signed distances is asked at: 15 s on two cores."""
_AT_ONCE = 1 << 14


def estimator_of(checkpoint: Path, images: Sequence[Path]) -> Estimator:
    """The estimate from photos by the network in a file that `train views` or `train surface` wrote.

    `views` gives its points; `surface` takes one photo and is asked at points of the truth. Raises
    `WeightsError` for a file of neither, `InputError` for a photo that cannot be read, and what the models
    raise.
    """
    from fastavatar.images import load_photo
    from fastavatar.models.surface import read_network
    from fastavatar.models.views import ViewsPredictor

    try:
        predictor = ViewsPredictor(checkpoint)
    except WeightsError:
        network = read_network(checkpoint)
        if len(images) != 1:
            raise UsageError(f"the model surface takes one photo, found {len(images)}") from None
        return _field(network, load_photo(images[0]))
    arrays = predictor.predict_several([load_photo(path) for path in images]).arrays
    found = {
        "points": CloudSamples(arrays["points"], normals=arrays["normals"], colors=_bytes(arrays["colors"]))
    }
    return lambda truth: found


def _field(network: "SurfaceNetwork", photo: "Photo") -> Estimator:
    """The field of the person in a photo, asked at some points of the truth."""
    crop = _crop(network, photo)

    def estimate(truth: Cloud) -> Cloud:
        return {
            name: _asked(network, crop, shuffled(samples).subset(slice(ASKED)))
            for name, samples in truth.items()
        }

    return estimate


def _asked(network: "SurfaceNetwork", crop: "Framed", samples: CloudSamples) -> CloudSamples:
    """Distances, normals and colours of the field at the points of `samples`."""
    from fastavatar.models.surface import RADIUS_M

    seen = network.look(crop.picture[None].float() / 255, crop.projection[None])
    parts = []
    for start in range(0, len(samples), _AT_ONCE):
        points = torch.from_numpy(samples.points[start : start + _AT_ONCE]).requires_grad_()
        field = network(seen, points[None])
        (slopes,) = torch.autograd.grad(field.distances.sum(), points)
        normals = torch.nn.functional.normalize(slopes, dim=1)
        parts.append((RADIUS_M * field.distances[0].detach(), normals, field.colors[0].detach()))
    found = [torch.cat(part).numpy() for part in zip(*parts, strict=True)]
    return CloudSamples(samples.points, found[0], found[1], _bytes(found[2]))


def _crop(network: "SurfaceNetwork", photo: "Photo") -> "Framed":
    """The photo as the network looks at it."""
    from fastavatar.faces import FaceMeshFinder, find_upright_face
    from fastavatar.models.facemesh import head_and_shoulders, observe
    from fastavatar.models.surface import framed

    photo, face, _ = find_upright_face(FaceMeshFinder(), photo)
    (seen,) = observe([photo], [face])
    view = head_and_shoulders(photo, face.box, seen.camera)
    return framed(view.rgb, view.mask, view.camera, network.settings.picture_px)


def _bytes(colors: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(255 * colors).clip(0, 255), np.uint8)
