"""Whether an avatar shows the person in its photo: InsightFace's recogniser on the photo and on renders."""

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
"""Where the renders are taken from: degrees to the person's left of the photo's camera."""
ALIKE = 0.3
"""Cosine below which two faces are rather two people's than one person's, to InsightFace's recogniser.

InsightFace's own demo with the pack buffalo_l says "the same person" from 0.28 on and "not the same" below
0.2 (web-demos/src_recognition/main.py); DeepFace's threshold for ArcFace, tuned on Labeled Faces in the Wild,
is 0.32. Four captures seen by another recogniser, MobileFace V2 (`benchmarks/recognition.py`): 97 % of the
pairs of photos of one person, taken up to 40° apart, score 0.3 or more, and 95 % of the pairs of two people
less. Of the photos of one person 60° to 80° apart 40 % score less, so a low cosine at ±60° alone says little.
"""
_SIZE_PX = 512
_ROOM = 1.3  # picture over head; the detector needs to see what surrounds a face; chosen by eye


@dataclass(frozen=True)
class Identity:
    """How similar the faces in the photo and in renders of its avatar are."""

    cosines: dict[int, float | None]
    """Cosines of the embeddings of photo and render, by azimuth in degrees; None where no face was found."""

    def facts(self) -> dict[str, float | None]:
        """The cosines for the summary, JSON-ready."""
        return {str(azimuth): value for azimuth, value in self.cosines.items()}

    def warnings(self) -> tuple[str, ...]:
        """One sentence where the avatar may not be recognised as the person in the photo."""
        low = [f"{v:.2f} at {a:+d}°" for a, v in self.cosines.items() if v is not None and v < ALIKE]
        if low:
            return (
                f"the head is little like the photo: cosine {', '.join(low)}, {ALIKE} is another person's",
            )
        if self.cosines[0] is None:
            return ("no likeness was measured: InsightFace finds no face in the photo or in its head",)
        return ()


def check_identity(avatar: Avatar, pack: Path, device: str = "cpu") -> Avatar:
    """The avatar with its similarity to its photo among the facts and warnings.

    `pack` is the folder of InsightFace's models.

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
    """The face in the photo that the avatar was made from: the nearest to its own box, else the largest."""
    if not faces:
        return None
    own = avatar.face
    if own is None:
        return max(faces, key=lambda face: face.area)
    return min(faces, key=lambda face: float(np.abs(np.subtract(face.box, own.box)).sum()))


def _cosine(one: RecognisedFace, other: RecognisedFace) -> float:
    a, b = one.embedding, other.embedding
    return round(float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12)), 4)
