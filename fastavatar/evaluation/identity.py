"""Is it the same person? InsightFace's recogniser on the photo and on renders of its avatar."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Avatar
from fastavatar.faces.insightface import FaceRecogniser, RecognisedFace
from fastavatar.rendering import render
from fastavatar.rendering.head_view import frame_sphere, head_sphere

AZIMUTHS_DEG = (0, -30, 30, -60, 60)
"""To the person's left, from where the photo's camera stands."""
ALIKE = 0.3
"""Cosine below which InsightFace's recogniser takes two faces for two people's."""
_SIZE_PX = 512
_ROOM = 1.3  # around the head: the detector wants to see what is no face


@dataclass(frozen=True)
class Identity:
    """How like the photo an avatar is."""

    cosines: dict[int, float | None]
    """Between the embeddings of photo and render, by azimuth in degrees; None where no face was found."""

    def facts(self) -> dict[str, float | None]:
        """For the summary, JSON-ready."""
        return {str(azimuth): value for azimuth, value in self.cosines.items()}

    def warnings(self) -> tuple[str, ...]:
        """One sentence where the avatar may not be taken for the person."""
        low = [f"{v:.2f} at {a:+d}°" for a, v in self.cosines.items() if v is not None and v < ALIKE]
        if low:
            return (
                f"the head is little like the photo: cosine {', '.join(low)}, {ALIKE} is another person's",
            )
        if self.cosines[0] is None:
            return ("no likeness was measured: InsightFace finds no face in the photo or in its head",)
        return ()


def check_identity(avatar: Avatar, pack: Path, device: str = "cpu") -> Avatar:
    """The avatar with its likeness to its photo among the facts and warnings; `pack` is InsightFace's folder.

    Raises `WeightsError` when InsightFace is not installed or the pack cannot be used.
    """
    found = measure_identity(avatar, FaceRecogniser(pack, device))
    made = avatar.provenance
    made = replace(
        made, warnings=(*made.warnings, *found.warnings()), extra={**made.extra, "identity": found.facts()}
    )
    return replace(avatar, provenance=made)


def measure_identity(avatar: Avatar, recogniser: FaceRecogniser) -> Identity:
    """Cosines between the avatar's photo and renders of it from `AZIMUTHS_DEG`."""
    photo = _person(avatar, recogniser.find(avatar.photo.rgb))
    center, radius_m = head_sphere(avatar.gaussians)
    framed = frame_sphere(avatar.camera.to("cpu", torch.float32), center, _ROOM * radius_m, _SIZE_PX)
    cosines: dict[int, float | None] = {}
    for azimuth_deg in AZIMUTHS_DEG:
        camera = framed.orbited(azimuth_deg, target=center).to(avatar.gaussians.means.device)
        with torch.no_grad():
            image = render(avatar.gaussians, camera).image
        pixels: NDArray[np.uint8] = (image.clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
        faces = recogniser.find(pixels)
        shown = max(faces, key=lambda face: face.area) if faces else None
        cosines[azimuth_deg] = _cosine(photo, shown) if photo and shown else None
    return Identity(cosines)


def _person(avatar: Avatar, faces: list[RecognisedFace]) -> RecognisedFace | None:
    """The face in the photo that the avatar is of: the one nearest to its own, else the largest."""
    if not faces:
        return None
    own = avatar.face
    if own is None:
        return max(faces, key=lambda face: face.area)
    return min(faces, key=lambda face: float(np.abs(np.subtract(face.box, own.box)).sum()))


def _cosine(one: RecognisedFace, other: RecognisedFace) -> float:
    a, b = one.embedding, other.embedding
    return round(float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12)), 4)
