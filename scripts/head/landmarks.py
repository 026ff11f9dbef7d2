"""Where Face Mesh's landmarks lie on a head model, and how they stray: found on painted, rendered heads.

people ─ painted and drawn ─ Face Mesh ─▶ landmarks (px) ─ back onto the surface ─ mean over people ─▶ places
                                 └── against where the places project, by yaw ─▶ bias and spread
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from fastavatar.faces import FaceMeshFinder
from fastavatar.geometry import Array, Bools, Ints, sample_triangles, unit_vectors, vertex_normals
from scripts.head.painting import Painter, Paints, Shot, shot_from
from scripts.head.raw import JOINTS, PARTS, REGIONS, RawHead

LANDMARKS, FACE_LANDMARKS = 478, 468
"""Face Mesh's landmarks; the last ten are the irises."""
SIGMA = 0.6
"""Spread of the painted people, in standard deviations: wider ones look unlike people."""
PLACE_PEOPLE, PLACE_YAWS = 12, (0.0, -15.0, 15.0, -30.0, 30.0)
BIAS_PEOPLE, BIAS_YAWS = 20, (0.0, 16.0, 32.0, 48.0)
LOST_M = 0.03
"""Landmarks that lie farther than this from their places, rms, are those of a face that was not found."""
SAMPLE_M = 0.0005
INNER_UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
INNER_LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
"""Landmarks on the rims of the lips, which lie on one another while the mouth is closed."""


@dataclass(frozen=True)
class Landmarks:
    """Face Mesh's landmarks on a surface."""

    corners: Ints
    """(478, 3) vertices of the triangle that each lies on."""
    weights: Array
    """(478, 3) barycentric weights."""
    mirror: Ints
    """(478,) the landmark on the other half."""
    yaws_deg: Array
    """(Y,) yaws from 0 up, the camera on the person's left."""
    bias: Array
    """(Y, 478, 2) where Face Mesh puts a landmark beside its place: metres at its depth, x right, y down."""
    sigma: Array
    """(Y, 478, 2) standard deviation of that."""

    def on(self, vertices: Array) -> Array:
        """The landmarks (478, 3) on a surface with `vertices` (V, 3)."""
        return np.asarray(np.einsum("lk,lkc->lc", self.weights, vertices[self.corners]))

    def scaled(self, factor: float) -> "Landmarks":
        """The landmarks of the same surface in another size."""
        return replace(self, bias=factor * self.bias, sigma=factor * self.sigma)


def find_landmarks(head: RawHead, seed: int = 0) -> Landmarks:
    """The landmarks of a head in metres, their places symmetric, and how Face Mesh strays from them."""
    random = np.random.default_rng(seed)
    painter = Painter(head)
    places = _mean_places(list(_places_found(painter, random)))
    mirror = _mirror_of(places)
    places = (places + places[mirror] * [-1, 1, 1]) / 2
    corners, weights = _on_surface(head, places, mirror)
    yaws, bias, sigma = _straying(painter, corners, weights, mirror, random)
    return Landmarks(corners, weights, mirror, yaws, bias, sigma)


@dataclass(frozen=True)
class _Found:
    """A painted person whom Face Mesh found."""

    vertices: Array
    shot: Shot
    landmarks: Array
    """(478, 2) pixels."""


def _painted_people(
    painter: Painter, random: np.random.Generator, count: int, yaws: tuple[float, ...], elevation: float
) -> Iterator[list[_Found]]:
    """For each person what Face Mesh found at each yaw, in order; a miss is left out."""
    head, finder = painter.head, FaceMeshFinder()
    eyes = [JOINTS.index("left_eye"), JOINTS.index("right_eye")]
    for person in range(count):
        shape = random.normal(0, SIGMA, len(head.modes)) * (person > 0)
        vertices = head.mean + np.tensordot(shape, head.modes.astype(np.float64), 1)
        joints = head.joints + np.tensordot(shape, head.joint_modes.astype(np.float64), 1)
        target = joints[eyes].mean(0) + [0, -0.035, 0.02]
        paints = Paints(float(random.uniform(0.6, 1.15)), hair=person % 2 == 1)
        found = []
        for yaw in yaws:
            shot = shot_from(yaw, float(random.uniform(-elevation, elevation)), target)
            picture = painter.picture(vertices, shot.of(vertices, head.faces), paints)
            faces = finder.find((picture * 255).astype(np.uint8))
            if faces:
                found.append(_Found(vertices, shot, faces[0].landmarks[:, :2].astype(np.float64)))
        yield found


def _places_found(painter: Painter, random: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Places (478, 3) on the average head under the landmarks of one picture, and their weights (478,).

    Lids and lips are cast back onto skin, not onto what shows between them; irises onto eyeballs.
    """
    head = painter.head
    eyeball = np.isin(head.parts, [PARTS.index("left_eye"), PARTS.index("right_eye")])
    hidden = np.isin(head.regions, [REGIONS.index("mouth"), REGIONS.index("sockets")])
    skin = (head.parts == PARTS.index("skin")) & ~hidden[head.faces].any(1)
    layers = (
        (np.flatnonzero(skin), slice(0, FACE_LANDMARKS)),
        (np.flatnonzero(eyeball), slice(FACE_LANDMARKS, None)),
    )
    for person in _painted_people(painter, random, PLACE_PEOPLE, PLACE_YAWS, 0.0):
        for one in person:
            places, weights = np.zeros((LANDMARKS, 3)), np.zeros(LANDMARKS)
            normals = vertex_normals(one.vertices, head.faces)
            center = -one.shot.world_to_camera[:3, :3].T @ one.shot.world_to_camera[:3, 3]
            for triangles, which in layers:
                seen = one.shot.of(one.vertices, head.faces[triangles])
                away, nearest = distance_transform_edt(~seen.hit, return_indices=True)
                column, row = np.clip(
                    one.landmarks[which].T, 0, np.array(seen.face.shape)[::-1, None] - 1
                ).astype(int)
                at_row, at_column = nearest[:, row, column]
                corners = head.faces[triangles[seen.face[at_row, at_column]]]
                shares = seen.weights[at_row, at_column]
                places[which] = np.einsum("lk,lkc->lc", shares, head.mean[corners])
                normal = unit_vectors(np.einsum("lk,lkc->lc", shares, normals[corners]))
                ray = unit_vectors(center - np.einsum("lk,lkc->lc", shares, one.vertices[corners]))
                facing = np.clip((normal * ray).sum(1), 0.05, 1)
                weights[which] = facing**2 * (away[row, column] < 6)
            yield places, weights


def _mean_places(found: list[tuple[Array, Array]]) -> Array:
    """Weighted means (478, 3) of the places found, without those far from the median."""
    places, weights = (np.stack(column) for column in zip(*found, strict=True))
    known = np.where(weights[..., None] > 0, places, np.nan)
    distance = np.linalg.norm(places - np.nanmedian(known, 0), axis=2)
    typical = np.nanmedian(np.where(weights > 0, distance, np.nan), 0)
    weights = weights * (distance <= np.maximum(0.012, 2 * typical))
    return np.asarray((weights[..., None] * places).sum(0) / weights.sum(0)[:, None])


def _mirror_of(places: Array) -> Ints:
    """The landmark (478,) on the other half, by the assignment with the least sum of squared distances."""
    mirror = np.zeros(LANDMARKS, np.int64)
    for which in (np.arange(FACE_LANDMARKS), np.arange(FACE_LANDMARKS, LANDMARKS)):
        _, partner = linear_sum_assignment(cdist(places[which] * [-1, 1, 1], places[which], "sqeuclidean"))
        mirror[which] = which[partner]
    if (mirror[mirror] != np.arange(LANDMARKS)).any():
        raise ValueError("the landmarks did not pair up")
    return mirror


def _on_surface(head: RawHead, places: Array, mirror: Ints) -> tuple[Ints, Array]:
    """Corners (478, 3) and weights (478, 3) of the surface points nearest to places, mirror images exact."""
    hidden = np.isin(head.regions, [REGIONS.index("mouth"), REGIONS.index("sockets")])
    eyeball = np.isin(head.parts, [PARTS.index("left_eye"), PARTS.index("right_eye")])
    skin = (head.parts == PARTS.index("skin")) & ~hidden[head.faces].any(1)
    near = np.isin(head.faces, _within(head.mean, places, 0.02)).any(1)
    # The jaw carries the lower lip
    on_jaw = head.weights[:, JOINTS.index("jaw")] > head.weights[:, JOINTS.index("head")]
    lower, upper = skin & near & on_jaw[head.faces].all(1), skin & near & ~on_jaw[head.faces].any(1)
    corners, weights = np.zeros((LANDMARKS, 3), np.int64), np.zeros((LANDMARKS, 3))
    layers = (
        (skin & near, np.arange(FACE_LANDMARKS)),
        (lower, np.array(INNER_LOWER_LIP)),
        (upper, np.array(INNER_UPPER_LIP)),
        (eyeball, np.arange(FACE_LANDMARKS, LANDMARKS)),
    )
    for allowed, which in layers:
        triangles = head.faces[allowed]
        owner, shares = sample_triangles(head.mean, triangles, SAMPLE_M)
        points = np.einsum("nk,nkc->nc", shares, head.mean[triangles[owner]])
        nearest = np.asarray(cKDTree(points).query(places[which])[1])
        corners[which], weights[which] = triangles[owner[nearest]], shares[nearest]
    # Landmarks of the midplane lie on edges along it
    for landmark in np.flatnonzero(mirror == np.arange(LANDMARKS)):
        lip = lower if landmark in INNER_LOWER_LIP else upper if landmark in INNER_UPPER_LIP else skin & near
        corners[landmark], weights[landmark] = _on_midline(head, places[landmark], lip)
    right = places[:, 0] < 0
    other = right & (mirror != np.arange(LANDMARKS))
    corners[other], weights[other] = head.mirror[corners[mirror[other]]], weights[mirror[other]]
    return corners, weights


def _on_midline(head: RawHead, place: Array, allowed: Bools) -> tuple[Ints, Array]:
    """Corners (3,) and weights (3,) of the point nearest to `place` (3,) on an edge along the midplane."""
    middle = head.mirror == np.arange(len(head.mean))
    triangles = head.faces[allowed & (middle[head.faces].sum(1) == 2)]
    order = np.argsort(~middle[triangles], axis=1, kind="stable")
    triangles = np.take_along_axis(triangles, order, 1)
    start, end = head.mean[triangles[:, 0]], head.mean[triangles[:, 1]]
    edge = end - start
    share = np.clip(((place - start) * edge).sum(1) / (edge**2).sum(1), 0, 1)
    nearest = int(np.linalg.norm(start + share[:, None] * edge - place, axis=1).argmin())
    return triangles[nearest], np.array([1 - share[nearest], share[nearest], 0.0])


def _within(points: Array, places: Array, reach: float) -> Ints:
    """Indices of `points` within `reach` of any of `places`."""
    near: Bools = np.asarray(cKDTree(places).query(points)[0]) < reach
    return np.flatnonzero(near)


def _straying(
    painter: Painter, corners: Ints, weights: Array, mirror: Ints, random: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Yaws (Y,), and mean and spread (Y, 478, 2) of landmarks about their places, in metres."""
    yaws = np.array(BIAS_YAWS)
    offsets: list[list[Array]] = [[] for _ in yaws]
    both = tuple(sorted({sign * yaw for yaw in BIAS_YAWS for sign in (1, -1)}))
    for person in _painted_people(painter, random, BIAS_PEOPLE, both, 17.0):
        for one in person:
            places = np.einsum("lk,lkc->lc", weights, one.vertices[corners])
            pixels, depths = one.shot.project(places)
            offset = (one.landmarks - pixels) * (depths / one.shot.intrinsics[0, 0])[:, None]
            if np.sqrt((offset**2).sum(1).mean()) > LOST_M:
                continue
            towards = one.shot.world_to_camera[2, [0, 2]]
            yaw = np.degrees(np.arctan2(-towards[0], -towards[1]))
            flipped = offset[mirror] * [-1, 1]
            slot = offsets[int(np.abs(yaws - abs(yaw)).argmin())]
            slot.append(offset if yaw >= 0 else flipped)
            if abs(yaw) < 1:  # face to face, a picture counts as its mirror image too
                slot.append(flipped)
    return yaws, np.stack([np.mean(one, 0) for one in offsets]), np.stack([np.std(one, 0) for one in offsets])
