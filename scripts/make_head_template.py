"""Make `fastavatar/models/facemesh/head_template.npz`, the head that the embedded model fits to a face.

    python scripts/make_head_template.py

Its face is what Face Mesh sees in the public-domain portrait `data/example.png`, made symmetric and
scaled to average size. Skull, ears, neck and shoulders are a smooth implicit surface made of a few solids
whose sizes are published averages of adults (NIOSH head-form survey 2005, ANSUR II 2012). No third-party mesh
goes in. Needs scikit-image, which comes with the `dev` extra.

 portrait ─ Face Mesh ─▶ symmetric face ─┐
                                         ├─ zip together ─ smooth the seam ─▶ half ─ mirror ─▶ template
 averages ─ implicit solids ─▶ skull ────┘
"""

import ast
from pathlib import Path

import mediapipe
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix, diags
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from skimage.measure import marching_cubes

import fastavatar as fa
from fastavatar.faces.facemesh import choose_face, find_faces
from fastavatar.models.facemesh.pose import assumed_focal_px, metric_landmarks, rigid_alignment

Points = NDArray[np.float64]
Ints = NDArray[np.int64]

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "fastavatar" / "models" / "facemesh" / "head_template.npz"

# Averages of women's and men's, metres
INTERPUPILLARY = 0.063
FACE_BREADTH = 0.140  # at Face Mesh's outermost points, just before the tragus
FACE_HEIGHT = 0.166  # from Face Mesh's topmost point, near the hairline, to the chin
EYES = np.array([0.0, 0.025, 0.030])  # between the pupils, in the head frame

BOTTOM = -0.26  # where the chest is cut off, below the origin
BOTTOM_SLOPE = 0.45  # and how much higher farther back, so that a view from below meets no lid
VOXEL = 0.006
SEAM_MARGIN = 0.012
IRIS_CENTERS = (468, 473)
EYE_BULGE = 0.004
REGIONS = ("face", "skull", "ear", "neck", "torso", "jaw")


def main() -> None:
    """Build the template and write it."""
    points = portrait_landmarks()
    mirror = mirror_of_landmarks(points)
    face = average_face(points, mirror)
    triangles = symmetric_triangles(face_triangles(), face, mirror)
    vertices, faces, mirrored, region = whole_head(face, triangles, mirror)
    np.savez_compressed(
        TARGET,
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        mirror=mirrored.astype(np.int32),
        region=region.astype(np.int8),
    )
    size_cm = np.round(np.ptp(vertices, axis=0) * 100, 1)
    print(f"{TARGET.name}: {len(vertices)} vertices, {len(faces)} triangles, {size_cm} cm")


def face_triangles() -> Ints:
    """Triangles (852, 3) of Face Mesh: in its source, three edges in a row are one triangle."""
    source = Path(mediapipe.__file__).parent / "python" / "solutions" / "face_mesh_connections.py"
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FACEMESH_TESSELATION":
            assert isinstance(node.value, ast.Call)
            edges = np.array(ast.literal_eval(node.value.args[0]))
            return np.asarray(edges[:, 0].reshape(-1, 3))
    raise RuntimeError("this mediapipe has no FACEMESH_TESSELATION in its source")


def opposite_corners(triangles: Ints) -> dict[tuple[int, int], int]:
    """For each directed edge the corner that completes its triangle."""
    return {(int(t[k]), int(t[(k + 1) % 3])): int(t[(k + 2) % 3]) for t in triangles for k in range(3)}


def mirror_of_landmarks(points: Points, rounds: int = 5) -> Ints:
    """For each of the 478 landmarks (478, 3) the one on the other half.

    The face is laid on its own mirror image by a few known pairs, then every point takes the partner that
    makes the sum of squared distances least, and the face is laid again by those.
    """
    pairs = [(33, 263), (133, 362), (61, 291), (234, 454), (10, 10), (152, 152), (1, 1), (6, 6)]
    source, target = (np.array(side) for side in zip(*pairs, *(pair[::-1] for pair in pairs), strict=True))
    flipped = points * [-1, 1, 1]
    for _ in range(rounds):
        rotation, translation, scale = rigid_alignment(flipped[source], points[target])
        laid = scale * flipped[:468] @ rotation.T + translation
        source, target = linear_sum_assignment(cdist(laid, points[:468], "sqeuclidean"))
    irises = [473, 476, 475, 474, 477, 468, 471, 470, 469, 472]
    mirror = np.concatenate([target, irises])
    assert (mirror[mirror] == np.arange(478)).all(), "the landmarks did not pair up"
    return mirror


def symmetric_triangles(triangles: Ints, face: Points, mirror: Ints) -> Ints:
    """The triangles of one half and their mirror images: Face Mesh's halves differ in a few diagonals."""
    half = triangles[face[triangles, 0].max(1) <= 1e-9]
    return np.concatenate([half, mirror[half][:, ::-1]])


def portrait_landmarks() -> Points:
    """Face Mesh's landmarks (478, 3) of the shipped portrait in metres and camera axes."""
    photo = fa.load_photo(ROOT / "data" / "example.png")
    face = choose_face(find_faces(photo.rgb), photo.width, photo.height)
    focal_px = assumed_focal_px(photo.width, photo.height)
    return metric_landmarks(face.landmarks, focal_px, (photo.width / 2, photo.height / 2))


def average_face(points: Points, mirror: Ints) -> Points:
    """The landmarks (478, 3) in the head frame, symmetric, at average size."""
    flipped = points[mirror] * [-1, 1, 1]
    rotation, translation, _ = rigid_alignment(flipped, points)
    points = (points + flipped @ rotation.T + translation) / 2
    # The axis along which each point differs from its mirror image is the head's x axis.
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
    return np.asarray(sized - sized[list(IRIS_CENTERS)].mean(0) + EYES)


def ellipsoid(p: Points, center: tuple[float, ...], radii: tuple[float, ...]) -> Points:
    """Approximate signed distance of points (..., 3) to an axis-parallel ellipsoid."""
    q = (p - center) / radii
    norm = np.linalg.norm(q, axis=-1)
    gradient = np.linalg.norm(q / radii, axis=-1)
    return np.asarray((norm - 1) * norm / np.maximum(gradient, 1e-9))


def capsule(p: Points, start: tuple[float, ...], end: tuple[float, ...], radius: float) -> Points:
    """Signed distance of points (..., 3) to a segment with round ends."""
    a, b = np.array(start), np.array(end)
    along = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.asarray(np.linalg.norm(p - a - along[..., None] * (b - a), axis=-1) - radius)


def blend(a: Points, b: Points, width: float) -> Points:
    """Union of two signed distances, rounded over `width` metres where they meet."""
    share = np.clip(0.5 + 0.5 * (b - a) / width, 0, 1)
    return b + (a - b) * share - width * share * (1 - share)


def solids(p: Points) -> dict[str, Points]:
    """Signed distances of the head's parts at points (..., 3), x ≥ 0, in the head frame."""
    turn = np.radians(25)  # the ear's rear edge stands off the skull
    ear = p - [0.081, 0.008, -0.048]
    ear = np.stack(
        [
            ear[..., 0] * np.cos(turn) + ear[..., 2] * np.sin(turn),
            ear[..., 1],
            -ear[..., 0] * np.sin(turn) + ear[..., 2] * np.cos(turn),
        ],
        -1,
    )
    return {
        "skull": ellipsoid(p, (0, 0.045, -0.049), (0.077, 0.088, 0.094)),
        "jaw": ellipsoid(p, (0, -0.030, -0.018), (0.062, 0.066, 0.064)),
        "ear": ellipsoid(ear, (0, 0, 0), (0.007, 0.031, 0.017)),
        "neck": capsule(p, (0, -0.03, -0.056), (0, -0.28, -0.085), 0.055),
        "torso": blend(
            capsule(p, (0, -0.215, -0.085), (0.145, -0.235, -0.080), 0.060),
            ellipsoid(p, (0, -0.255, -0.085), (0.17, 0.10, 0.10)),
            0.06,
        ),
    }


def head_distance(p: Points) -> Points:
    """Signed distance of points (..., 3) to skull, ears, neck and shoulders together."""
    part = solids(p)
    head = blend(blend(part["skull"], part["jaw"], 0.05), part["ear"], 0.010)
    body = blend(part["neck"], part["torso"], 0.07)
    cut = BOTTOM - BOTTOM_SLOPE * p[..., 2] - p[..., 1]
    return np.maximum(blend(head, body, 0.035), cut)


def half_surface() -> tuple[Points, Ints]:
    """Vertices and triangles of the part x ≥ 0 of the implicit surface, cut exactly at x = 0."""
    low, high = np.array([0.0, BOTTOM - 4 * VOXEL, -0.21]), np.array([0.27, 0.16, 0.10])
    counts = np.ceil((high - low) / VOXEL).astype(int) + 1
    axes = [start + VOXEL * np.arange(count) for start, count in zip(low, counts, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    distance = head_distance(grid)
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        distance, 0.0, spacing=(VOXEL,) * 3, allow_degenerate=False
    )
    return vertices.astype(np.float64) + low, faces.astype(np.int64)


def whole_head(face: Points, triangles: Ints, mirror: Ints) -> tuple[Points, Ints, Ints, Ints]:
    """Vertices, triangles, mirror image of each vertex, and region of each vertex.

    The first 478 vertices are the landmarks; of the irises' only the centres are used.
    """
    skull, skull_faces = half_surface()
    oval = boundary_loop(triangles, start=10)
    closed = np.concatenate([triangles, *eye_and_mouth_caps(face, triangles)])
    face = face.copy()
    for center, loop in zip(IRIS_CENTERS, (33, 263), strict=True):
        ring = boundary_loop(triangles, start=loop)
        face[center] = face[ring].mean(0) + [0, 0, EYE_BULGE]

    # the part of the skull that the face replaces: seen from the front inside the oval, and not behind it
    outline = face[oval]
    keep = ~inside_polygon(skull[:, :2], grown(outline[:, :2], SEAM_MARGIN)) | (
        skull[:, 2] < outline[:, 2].min() - SEAM_MARGIN
    )
    skull_faces = largest_part(skull_faces[keep[skull_faces].all(1)])
    used = np.unique(skull_faces)
    renumber = np.full(len(skull), -1)
    renumber[used] = 478 + np.arange(len(used))
    skull, skull_faces = skull[used], renumber[skull_faces]

    # mirror the half; vertices on the midplane are their own image
    on_plane = np.abs(skull[:, 0]) < 1e-6
    skull[on_plane, 0] = 0
    image = np.where(on_plane, 478 + np.arange(len(skull)), -1)
    image[~on_plane] = 478 + len(skull) + np.arange((~on_plane).sum())
    full_mirror = np.concatenate([mirror, image, 478 + np.flatnonzero(~on_plane)])
    vertices = np.concatenate([face, skull, skull[~on_plane] * [-1, 1, 1]])
    skull_faces = np.concatenate([skull_faces, full_mirror[skull_faces][:, ::-1]])

    hole = hole_around(skull_faces)
    seam = zip_loops(vertices, oval, hole)
    faces = np.concatenate([closed, skull_faces, seam])
    vertices = smooth_seam(vertices, faces, hole)
    vertices = (vertices + vertices[full_mirror] * [-1, 1, 1]) / 2
    return vertices, faces, full_mirror, regions(vertices)


def boundary_loop(triangles: Ints, start: int) -> Ints:
    """Vertices of the boundary through `start`, in the order of the triangles' edges."""
    opposite = opposite_corners(triangles)
    following = {a: b for a, b in opposite if (b, a) not in opposite}
    loop = [start]
    while following[loop[-1]] != start:
        loop.append(following[loop[-1]])
    return np.array(loop)


def hole_around(triangles: Ints) -> Ints:
    """The boundary loop that the face is to fill: the hole in the closed skull, if the two halves met."""
    opposite = opposite_corners(triangles)
    rest = {a for a, b in opposite if (b, a) not in opposite}
    loops = []
    while rest:
        loops.append(boundary_loop(triangles, min(rest)))
        rest -= set(loops[-1].tolist())
    return max(loops, key=len)


def largest_part(triangles: Ints) -> Ints:
    """The triangles of the connected part that has the most."""
    a, b = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]]).T
    size = int(triangles.max()) + 1
    _, label = connected_components(coo_matrix((np.ones(len(a)), (a, b)), (size, size)), directed=False)
    part = label[triangles[:, 0]]
    return np.asarray(triangles[part == np.bincount(part).argmax()])


def eye_and_mouth_caps(face: Points, triangles: Ints) -> list[Ints]:
    """Triangles that close the eyes, as fans about the irises, and the mouth, as a strip between the lips."""
    caps = []
    for center, start in zip(IRIS_CENTERS, (33, 263), strict=True):
        ring = boundary_loop(triangles, start)
        caps.append(np.stack([np.roll(ring, -1), ring, np.full(len(ring), center)], 1))
    lips = boundary_loop(triangles, 78)
    half = len(lips) // 2
    first, second = lips[: half + 1], np.concatenate([lips[half:], lips[:1]])[::-1]
    strip = []
    for k in range(half):
        strip += [(first[k + 1], first[k], second[k]), (first[k + 1], second[k], second[k + 1])]
    caps.append(np.array([t for t in strip if len(set(t)) == 3]))
    return caps


def grown(polygon: Points, margin: float) -> Points:
    """A polygon (M, 2) moved outward from its middle by `margin`."""
    out = polygon - polygon.mean(0)
    return np.asarray(polygon + margin * out / np.linalg.norm(out, axis=1, keepdims=True))


def inside_polygon(points: Points, polygon: Points) -> NDArray[np.bool_]:
    """Which of the points (N, 2) lie inside the polygon (M, 2), by counting crossings."""
    a, b = polygon, np.roll(polygon, -1, 0)
    x, y = points[:, :1], points[:, 1:]
    between = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return np.asarray(np.sum(between & (x < crossing), 1) % 2 == 1)


def zip_loops(vertices: Points, inner: Ints, outer: Ints) -> Ints:
    """Triangles of the strip between two loops, advancing on whichever side is behind in angle."""
    middle = vertices[inner].mean(0)

    def unrolled(loop: Ints) -> tuple[Ints, Points]:
        offset = vertices[loop] - middle
        angle = np.unwrap(np.arctan2(offset[:, 0], offset[:, 1]))
        if angle[-1] < angle[0]:
            loop, angle = loop[::-1], angle[::-1]
        first = int(np.argmin(np.abs(np.mod(angle + np.pi, 2 * np.pi) - np.pi)))
        loop = np.roll(loop, -first)
        offset = vertices[loop] - middle
        angle = np.maximum.accumulate(np.unwrap(np.arctan2(offset[:, 0], offset[:, 1])))
        return np.append(loop, loop[0]), np.append(angle, angle[0] + 2 * np.pi)

    (a, angle_a), (b, angle_b) = unrolled(inner), unrolled(outer)
    i, j, strip = 0, 0, []
    while i < len(a) - 1 or j < len(b) - 1:
        advance_a = j == len(b) - 1 or (i < len(a) - 1 and angle_a[i + 1] <= angle_b[j + 1])
        if advance_a:
            strip.append((a[i], b[j], a[i + 1]))
            i += 1
        else:
            strip.append((a[i], b[j], b[j + 1]))
            j += 1
    return np.array(strip)[:, ::-1]


def smooth_seam(vertices: Points, faces: Ints, hole: Ints, rings: int = 4, rounds: int = 30) -> Points:
    """Relax the skull near the seam toward its neighbours' mean, so that face and skull meet smoothly."""
    a, b = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    size = len(vertices)
    link = coo_matrix((np.ones(2 * len(a)), (np.append(a, b), np.append(b, a))), (size, size)).tocsr()
    link.data[:] = 1
    mean = diags(1 / np.maximum(np.asarray(link.sum(1)).ravel(), 1)) @ link
    free = np.zeros(size)
    free[hole] = 1
    for _ in range(rings):
        free = np.maximum(free, (link @ free > 0) * (free.max() * 0.999))
    free[:478] = 0
    out = vertices.copy()
    for _ in range(rounds):
        out += 0.5 * (free > 0)[:, None] * (mean @ out - out)
    return out


def regions(vertices: Points) -> Ints:
    """Index into `REGIONS` of each vertex: the landmarks are the face, the rest the nearest solid."""
    p = np.abs(vertices) * [1, 0, 0] + vertices * [0, 1, 1]
    part = solids(p)
    nearest = np.asarray(np.argmin([part[name] for name in REGIONS[1:]], axis=0) + 1)
    nearest[:478] = 0
    return nearest


if __name__ == "__main__":
    main()
