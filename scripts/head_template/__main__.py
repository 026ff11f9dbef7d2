"""Make `fastavatar/models/facemesh/head_template.npz`, the head that the embedded model fits to a face.

    python -m scripts.head_template

The face consists of Face Mesh's landmarks in the public-domain portrait `data/example.png`, made symmetric
and scaled to average size. Skull, ears, neck and shoulders are a smooth implicit surface made of a few solids
whose sizes are published averages of adults (NIOSH head-form survey 2005, ANSUR II 2012). The positions of
neck, chest and shoulders behind the face were checked against an average head and the outlines of two people
(FINDINGS.md). The template contains no third-party mesh. Needs scikit-image, part of the extra `dev`.

 portrait ─ Face Mesh ─▶ symmetric face ─┐
                                         ├─ zip together ─ smooth the seam ─▶ half ─ mirror ─▶ template
 averages ─ implicit solids ─▶ skull ────┘
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastavatar.geometry import inside_polygon
from scripts.head_template.face import (
    EYE_BULGE,
    EYE_RIMS,
    average_face,
    eye_and_mouth_caps,
    face_triangles,
    mirror_of_landmarks,
    portrait_landmarks,
    symmetric_triangles,
)
from scripts.head_template.loops import (
    boundary_loop,
    grown,
    hole_around,
    largest_part,
    smooth_seam,
    zip_loops,
)
from scripts.head_template.solids import half_surface, regions

Points = NDArray[np.float64]
Ints = NDArray[np.int64]

TARGET = Path(__file__).parents[2] / "fastavatar" / "models" / "facemesh" / "head_template.npz"
SEAM_MARGIN = 0.012


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


def whole_head(face: Points, triangles: Ints, mirror: Ints) -> tuple[Points, Ints, Ints, Ints]:
    """Vertices (V, 3), triangles (F, 3), mirror image (V,) and region (V,) of each vertex.

    The first 478 vertices are the landmarks; only the centres of the irises are part of triangles.
    """
    skull, skull_faces = half_surface()
    oval = boundary_loop(triangles, start=10)
    closed = np.concatenate([triangles, *eye_and_mouth_caps(triangles)])
    face = face.copy()
    for center, start in EYE_RIMS:
        ring = boundary_loop(triangles, start)
        face[center] = face[ring].mean(0) + [0, 0, EYE_BULGE]

    # The face replaces what lies, seen from the front, inside its oval and not behind it
    outline = face[oval]
    keep = ~inside_polygon(skull[:, :2], grown(outline[:, :2], SEAM_MARGIN)) | (
        skull[:, 2] < outline[:, 2].min() - SEAM_MARGIN
    )
    skull_faces = largest_part(skull_faces[keep[skull_faces].all(1)])
    used = np.unique(skull_faces)
    renumber = np.full(len(skull), -1)
    renumber[used] = 478 + np.arange(len(used))
    skull, skull_faces = skull[used], renumber[skull_faces]

    # The half is mirrored; vertices on the midplane are their own image
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


if __name__ == "__main__":
    main()
