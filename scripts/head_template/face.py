"""Face Mesh's topology, and the landmarks of an average face."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import fastavatar as fa
from fastavatar.faces import FaceMeshFinder, find_face
from fastavatar.geometry import fit_similarity
from fastavatar.images import load_tasks
from scripts.head_template.loops import boundary_loop

Points = NDArray[np.float64]
Ints = NDArray[np.int64]

PORTRAIT = Path(__file__).parents[2] / "data" / "example.png"

# Means of the averages of women and of men, metres
FACE_BREADTH = 0.140  # at Face Mesh's outermost points, just before the tragus
FACE_HEIGHT = 0.166  # from Face Mesh's topmost point, near the hairline, to the chin
EYES = np.array([0.0, 0.025, 0.030])  # between the pupils, in the head frame

# The middle of each iris, and one point of the rim of its eye; the person's right eye, then the left
EYE_RIMS = ((468, 33), (473, 263))
MOUTH_CORNER = 78
EYE_BULGE = 0.004


IRIS_DIAMETER_M = 0.0117
"""Diameter of the visible iris of adults, nearly the same in all (Hashemi et al. 2012: 11.7 ± 0.4 mm)."""
INTERPUPILLARY_M = 0.063
INTERPUPILLARY_RANGE_M = (0.056, 0.070)
"""Distance between the pupils of adults: mean and 95 % of them (ANSUR: 63 ± 3.6 mm)."""
PORTRAIT_LENS = 50 / 36
"""Assumed focal length of the portrait, in widths: a 50 mm lens on full frame."""
# Face Mesh's iris landmarks: centre, then four points of the rim; the person's right eye, then the left.
_IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))


def face_triangles() -> Ints:
    """Triangles (852, 3) of Face Mesh, in whose source three successive edges are one triangle."""
    edges = load_tasks().vision.FaceLandmarksConnections.FACE_LANDMARKS_TESSELATION
    return np.array([edge.start for edge in edges]).reshape(-1, 3)


def mirror_of_landmarks(points: Points, rounds: int = 5) -> Ints:
    """Index (478,) of the landmark on the other half for each landmark (478, 3).

    A few known pairs align the face with its mirror image. Then, in each round, every point gets the partner
    that makes the sum of squared distances least, and the new pairs align the face again.
    """
    pairs = [(33, 263), (133, 362), (61, 291), (234, 454), (10, 10), (152, 152), (1, 1), (6, 6)]
    source, target = (np.array(side) for side in zip(*pairs, *(pair[::-1] for pair in pairs), strict=True))
    flipped = points * [-1, 1, 1]
    for _ in range(rounds):
        aligned = fit_similarity(flipped[source], points[target]).apply(flipped[:468])
        source, target = linear_sum_assignment(cdist(aligned, points[:468], "sqeuclidean"))
    irises = [473, 476, 475, 474, 477, 468, 471, 470, 469, 472]
    mirror = np.concatenate([target, irises])
    assert (mirror[mirror] == np.arange(478)).all(), "the landmarks did not pair up"
    return mirror


def symmetric_triangles(triangles: Ints, face: Points, mirror: Ints) -> Ints:
    """The triangles of one half and their mirror images, as Face Mesh's halves differ in a few diagonals."""
    half = triangles[face[triangles, 0].max(1) <= 1e-9]
    return np.concatenate([half, mirror[half][:, ::-1]])


def portrait_landmarks() -> Points:
    """Face Mesh's landmarks (478, 3) of the shipped portrait in metres and camera axes."""
    photo = fa.load_photo(PORTRAIT)
    face = find_face(FaceMeshFinder(), photo.rgb)
    focal_px = PORTRAIT_LENS * max(photo.width, photo.height)
    return metric_landmarks(face.landmarks, focal_px, (photo.width / 2, photo.height / 2))


def metric_landmarks(
    landmarks: NDArray[np.float32], focal_px: float, center_px: tuple[float, float]
) -> Points:
    """Landmarks (478, 3) of Face Mesh in pixels → metres in OpenCV camera axes.

    One photo cannot tell size from distance; the size of the irises decides. Irises span few pixels and are
    partly covered by lids or foreshortened, so the distance between the pupils that they imply is averaged
    (geometrically) with that of the population, and kept within the range of adults.
    """
    points = landmarks.astype(np.float64)
    iris_px = float(np.mean([_diameter_px(points[list(iris)]) for iris in _IRISES]))
    pupils_px = float(np.linalg.norm(points[468] - points[473]))
    pupils_m = np.clip(IRIS_DIAMETER_M / iris_px * pupils_px, *INTERPUPILLARY_RANGE_M)
    metres_per_px = math.sqrt(pupils_m * INTERPUPILLARY_M) / pupils_px
    eyes_z_px = points[468:478, 2].mean()
    # Depth at the eyes is metres_per_px · focal; Face Mesh gives relative depth in pixels
    depth = metres_per_px * (focal_px + points[:, 2] - eyes_z_px)
    on_plane = (points[:, :2] - np.array(center_px)) / focal_px
    return np.concatenate([on_plane * depth[:, None], depth[:, None]], 1)


def _diameter_px(iris: Points) -> float:
    """Diameter of an iris (5, 3): the longer of its two axes, as yaw or a lid shortens the other more."""
    across, along = np.linalg.norm(iris[1] - iris[3]), np.linalg.norm(iris[2] - iris[4])
    return float(max(across, along))


def average_face(points: Points, mirror: Ints) -> Points:
    """The landmarks (478, 3) in the head frame, symmetric, at average size."""
    flipped = points[mirror] * [-1, 1, 1]
    _, rotation, translation = fit_similarity(flipped, points)
    points = (points + flipped @ rotation.T + translation) / 2
    # The head's x axis is the direction in which points differ from their mirror images
    across = points - points[mirror]
    left = np.linalg.svd(across)[2][0]
    left *= np.sign((across[454] @ left) * 1.0)
    up = points[10] - points[152]
    up -= (up @ left) * left
    up /= np.linalg.norm(up)
    centred = (points - points.mean(0)) @ np.stack([left, up, np.cross(left, up)]).T
    centred = (centred + centred[mirror] * [-1, 1, 1]) / 2
    breadth, height = centred[454, 0] - centred[234, 0], centred[10, 1] - centred[152, 1]
    scale_x, scale_y = FACE_BREADTH / breadth, FACE_HEIGHT / height
    sized = centred * [scale_x, scale_y, (scale_x + scale_y) / 2]
    return np.asarray(sized - sized[[center for center, _ in EYE_RIMS]].mean(0) + EYES)


def eye_and_mouth_caps(triangles: Ints) -> list[Ints]:
    """Triangles that close the eyes, as fans about the irises, and the mouth, as a strip between the lips."""
    caps = []
    for center, start in EYE_RIMS:
        ring = boundary_loop(triangles, start)
        caps.append(np.stack([np.roll(ring, -1), ring, np.full(len(ring), center)], 1))
    lips = boundary_loop(triangles, MOUTH_CORNER)
    half = len(lips) // 2
    first, second = lips[: half + 1], np.concatenate([lips[half:], lips[:1]])[::-1]
    strip = []
    for k in range(half):
        strip += [(first[k + 1], first[k], second[k]), (first[k + 1], second[k], second[k + 1])]
    caps.append(np.array([t for t in strip if len(set(t)) == 3]))
    return caps
