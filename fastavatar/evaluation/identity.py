"""Measures with InsightFace's recogniser whether an avatar shows the person in its photo."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Avatar, Box, Face
from fastavatar.faces import FaceFinder, FaceRecogniser, choose_face
from fastavatar.rendering import frame_sphere, head_sphere, render
from fastavatar.weights import DEFAULT_PACK, find_face_pack

AZIMUTHS_DEG = (0, -30, 30, -60, 60)
"""Azimuths of the renders: degrees from the photo's camera toward the person's left."""
ALIKE = 0.3
"""Cosine of InsightFace's embeddings below which two faces probably belong to two people.

InsightFace's own demo with the pack buffalo_l says "the same person" from 0.28 on and "not the same" below
0.2 (web-demos/src_recognition/main.py); DeepFace's threshold for ArcFace, tuned on Labeled Faces in the Wild,
is 0.32. Four captures seen by another recogniser, MobileFace V2 (`benchmarks/recognition.py`): 97 % of the
pairs of photos of one person, taken up to 40° apart, score 0.3 or more, and 95 % of the pairs of two people
less. Of the photos of one person 60° to 80° apart 40 % score less, so a low cosine at ±60° alone says little.
"""
_SIZE_PX = 512
_SAME_FACE = 0.1
"""Least intersection over union of the boxes by two face finders that counts as one face.

By geometry: both boxes reach about from forehead to chin, so those of one face share most of their area,
while those of two people cheek to cheek overlap by a strip.
"""
_ROOM = 1.3  # width of the picture over that of the head: the detector needs surroundings; chosen by eye


@dataclass(frozen=True)
class Likeness:
    """Similarity of the face in the photo and the faces in renders of its avatar."""

    cosines: dict[int, float | None]
    """Cosines of the embeddings of photo and render, by azimuth in degrees; None where no face was found."""

    def for_summary(self) -> dict[str, object]:
        """The field `identity` of `summary.json`."""
        return {"identity": {str(azimuth): value for azimuth, value in self.cosines.items()}}

    def warnings(self) -> tuple[str, ...]:
        """One sentence if the avatar may not be recognised as the person in the photo, else none."""
        low = [f"{v:.2f} at {a:+d}°" for a, v in self.cosines.items() if v is not None and v < ALIKE]
        if low:
            return (
                f"the head is little like the photo: cosine {', '.join(low)}, {ALIKE} is another person's",
            )
        if self.cosines[0] is None:
            return ("no likeness was measured: InsightFace misses the face in the photo or in its head",)
        return ()


def check_identity(avatar: Avatar, pack: Path, device: str = "cpu") -> Avatar:
    """The avatar with its similarity to its photo added to the facts and warnings.

    `pack` is the folder of InsightFace's models.

    Raises `WeightsError` when InsightFace is not installed or the pack cannot be used.
    """
    found = measure_identity(avatar, FaceRecogniser(pack, device))
    return replace(avatar, provenance=avatar.provenance.with_facts(found, found.warnings()))


def check_identity_if_possible(avatar: Avatar, pack: str | None = None, device: str = "cpu") -> Avatar:
    """`check_identity` with InsightFace's pack of that name; without the pack only a warning is added.

    Raises what `check_identity` raises.
    """
    pack = pack or DEFAULT_PACK
    folder = find_face_pack(pack)
    if folder is not None:
        return check_identity(avatar, folder, device)
    missing = (
        f"no likeness was measured: InsightFace's pack {Path(pack).name} is not here (for non-commercial "
        "research only; fastavatar weights fetch gets it)"
    )
    made = avatar.provenance
    return replace(avatar, provenance=replace(made, warnings=(*made.warnings, missing)))


def measure_identity(avatar: Avatar, recogniser: FaceFinder) -> Likeness:
    """The likeness between the avatar's photo and renders of the avatar from `AZIMUTHS_DEG`."""
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
        shown = choose_face(faces) if faces else None
        cosines[azimuth_deg] = _cosine(photo, shown) if photo and shown else None
    return Likeness(cosines)


def _person(avatar: Avatar, faces: list[Face]) -> Face | None:
    """The avatar's face among `faces` in the photo; the largest if the avatar does not know its face.

    None if the recogniser finds only other faces, because the likeness to another person means nothing.
    """
    if not faces:
        return None
    own = avatar.face
    if own is None:
        return choose_face(faces)
    found = max(faces, key=lambda face: _overlap(face.box, own.box))
    return found if _overlap(found.box, own.box) > _SAME_FACE else None


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    of_both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / max(of_both - shared, 1e-9)


def _cosine(one: Face, other: Face) -> float:
    a, b = one.embedding, other.embedding
    return round(float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12)), 4)
