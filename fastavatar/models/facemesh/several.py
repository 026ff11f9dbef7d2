"""Several photos of one person to one head.

photos ─ landmarks ─▶ one head, a camera each ─ outlines ─▶ head with hair ─ volume, dress ─▶ Gaussians
            └─ the same skin in two of them ─▲
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from fastavatar.core import Camera, Face, Photo
from fastavatar.faces import FaceMeshFinder, find_one_of_several
from fastavatar.geometry import Array, unit_vectors, vertex_normals
from fastavatar.head import HeadFit, LandmarkView, fit_head, fit_tied_head, load_head
from fastavatar.models.facemesh import (
    DressedHead,
    HeadView,
    Observation,
    dress,
    fit_to_views,
    fitted_cameras,
    head_and_shoulders,
    landmark_views,
    load_template,
    mean_rotation,
    observations,
    person_of,
    pulled_to_landmarks,
    ties_between,
    turn_in,
)
from fastavatar.models.stages import stage
from fastavatar.rendering import ahead, side_by_side

_ROUNDS = 6
"""Comparisons of photos: each finds most of what the fit still misses."""
_MOST_STRAYING = 2.5
"""Growth of a photo's distances to its landmarks from which skin is no longer believed. It stays below 2 in
seven sets of photos of one person, and goes beyond 2.5 in four of two people, or where a fit diverges."""
_LEAST_OTHERS = 2
"""Photos that must remain for one that strays to be left out: of two photos, either may be the wrong one."""
_STRAYED = (
    "its skin does not agree with the other photos', so landmarks alone placed them: is it the same person?"
)
_LEFT_OUT = "left out, as its skin does not agree with the other photos': is it the same person?"
_LEAST_FACING = 0.05  # landmarks that face away keep a little weight, so that no photo has none


@dataclass(frozen=True)
class Shot:
    """One of several photos, as it was used."""

    photo: Photo
    face: Face
    camera: Camera
    """The camera that saw it, in the frame of the common head; float32."""
    gains: Array
    """(3,) factors on its colours."""
    warnings: tuple[str, ...]
    """About this photo, one sentence each."""


@dataclass(frozen=True)
class PhotosFacts:
    """What the summary says about each of several photos of one person."""

    shots: tuple[Shot, ...]
    """In the order in which the photos were given."""

    def for_summary(self) -> dict[str, object]:
        """The field `photos` of `summary.json`."""
        photos = [
            {
                "image_path": shot.photo.name,
                "K": shot.camera.K.tolist(),
                "world_to_camera": shot.camera.world_to_camera.tolist(),
                "gains": [round(float(gain), 4) for gain in shot.gains],
            }
            for shot in self.shots
        ]
        return {"photos": photos}


class HeadOfSeveral(NamedTuple):
    """One head from several photos."""

    head: DressedHead
    """Head frame."""
    shots: list[Shot]
    """Each photo as it was used, in the given order."""
    left_out: tuple[str, ...]
    """A sentence about each photo that was not."""


def head_of_several(photos: Sequence[Photo], seconds: dict[str, float]) -> HeadOfSeveral:
    """The head that all photos show but those that do not agree with the others.

    `seconds` receives the time of every stage. The head does not depend on the order of the photos: they are
    sorted by their content first. Raises `NoFaceError` that names the photo where one shows no face.
    """
    order = sorted(range(len(photos)), key=lambda index: _fingerprint(photos[index]))
    with stage(seconds, "find faces"):
        found = [find_one_of_several(FaceMeshFinder(), photos[index]) for index in order]
    shown, faces = [photo for photo, _, _ in found], [face for _, face, _ in found]
    with stage(seconds, "pose"):
        landmarks = landmark_views(shown, faces)
        fit = fit_head(load_head(), landmarks)
    with stage(seconds, "person mask"):
        cameras = fitted_cameras(shown, fit)
        views = side_by_side(
            lambda place: head_and_shoulders(shown[place], faces[place].box, cameras[place]),
            range(len(shown)),
        )
    with stage(seconds, "match photos"):
        fit, views, strayed = _tied(shown, landmarks, fit, views)
    if strayed is not None and len(photos) > _LEAST_OTHERS:
        others = [photo for index, photo in enumerate(photos) if index != order[strayed]]
        rest = head_of_several(others, seconds)
        return rest._replace(left_out=(f"{shown[strayed].name}: {_LEFT_OUT}", *rest.left_out))
    with stage(seconds, "fit head"):
        seen = observations(shown, faces, fit)
        turn = mean_rotation([turn_in(view.photo_rgb, view.camera) for view in views])
        concerns = [ahead(one.concerns) for one in seen]  # a network's work, beside the rest
        shape = pulled_to_landmarks(seen[0].shape, _mean_offsets(seen))
        fitted = fit_to_views(shape, seen[0].parameters, turn, views)
    with stage(seconds, "colours"):
        head = dress(fitted, seen[0].parameters, views)
    shots = {}
    for place, (index, one, gain) in enumerate(zip(order, seen, head.gains, strict=True)):
        camera, turned = one.camera.to("cpu", torch.float32), found[place][2]
        doubts = (_STRAYED,) if place == strayed else ()
        shots[index] = Shot(one.photo, one.face, camera, gain, (*turned, *concerns[place](), *doubts))
    return HeadOfSeveral(head, [shots[index] for index in range(len(photos))], ())


def _tied(
    photos: Sequence[Photo], landmarks: Sequence[LandmarkView], fit: HeadFit, views: list[HeadView]
) -> tuple[HeadFit, list[HeadView], int | None]:
    """The fit in which photos also show the same skin at the same places, and their views as seen then.

    Where that contradicts the landmarks, fit and views stay as given; the photo that strays most is named.
    """
    cameras, tied, seen = fitted_cameras(photos, fit), fit, views
    for _ in range(_ROUNDS):
        # Each photo has its own expression, so that a smile is no other skin
        shapes = [person_of(tied.identity, expression) for expression in tied.expressions]
        ties = ties_between(shapes, seen, cameras)
        if not ties:
            break
        tied = fit_tied_head(load_head(), landmarks, tied, ties)
        # A head behind its camera has a negative depth, and so a negative distance
        straying = np.abs(tied.residual_m / fit.residual_m)
        if not (straying < _MOST_STRAYING).all():
            return fit, views, int(np.argmax(straying))
        before, cameras = cameras, fitted_cameras(photos, tied)
        seen = [view.seen_by(*pair) for view, *pair in zip(seen, before, cameras, strict=True)]
    return tied, seen, None


def _mean_offsets(seen: Sequence[Observation]) -> Array:
    """(468, 3) mean offsets of landmarks over all photos, weighted by how squarely they are seen."""
    places, shape = load_head().places, seen[0].shape
    normals = unit_vectors(places.at(vertex_normals(shape, load_template().skin)))
    weights = []
    for one in seen:
        ray = one.camera.center.numpy() - places.at(shape)
        cosine = (normals * ray).sum(1) / np.linalg.norm(ray, axis=1)
        weights.append(np.clip(cosine, _LEAST_FACING, 1)[: len(one.offsets)])
    # Sum over photos of cosine times offset, divided by the sum of cosines
    offsets = np.stack([one.offsets for one in seen])
    return np.average(offsets, axis=0, weights=np.repeat(np.stack(weights)[..., None], 3, axis=2))


def _fingerprint(photo: Photo) -> tuple[bytes, float]:
    """A sort key that depends on the photo's content alone."""
    pixels = np.ascontiguousarray(photo.rgb)
    return hashlib.sha256(pixels.tobytes()).digest(), photo.focal_px or 0.0
