"""Make `fastavatar/models/facemesh/template_binding.npz`: the template's vertices on the parametric head.

    python -m scripts.template_binding

The template is laid onto the average parametric head: its landmarks where Face Mesh sees them there, face,
ears, jaw and neck onto the surface. Skull and torso keep their own shape and follow their neighbours:
the parametric skull is flatter behind, which costs decibels on the scanned bust, and its torso is of another
size.
"""

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from fastavatar.geometry import (
    Array,
    Ints,
    edge_graph,
    nearest_on_mesh,
    nearest_on_triangles,
    row_mean,
    spread_offsets,
)
from fastavatar.head import load_head
from fastavatar.models.facemesh import LANDMARKS, SKULL, TORSO, load_template

TARGET = Path(__file__).parents[2] / "fastavatar" / "models" / "facemesh" / "template_binding.npz"
_SMOOTHING = (30, 20, 12, 8, 5, 3, 2, 1)
"""Steps of diffusion of each round's offsets over the template: first as a whole, at last point by point."""
_FREE_STEPS, _FREE_DECAY = 400, 0.98
"""Diffusion of offsets into skull and torso, which fade out over about fifty vertices."""
_REACH_M = 0.12
_CANDIDATES = 40  # triangles by the distance of their centres, of which the nearest is taken


def main() -> None:
    """Bind the template and write the file."""
    head, template = load_head(), load_template()
    skin = head.faces[head.part("skin")]
    vertices = laid_on(head.mean, skin, head.places.at(head.mean))
    corners, weights = places_on(nearest_on_mesh(vertices, head.mean, skin)[1], head.mean, skin)
    corners[:LANDMARKS], weights[:LANDMARKS] = head.places.corners, head.places.weights
    offsets = vertices - np.einsum("vk,vkc->vc", weights, head.mean[corners])
    np.savez_compressed(
        TARGET,
        corners=corners.astype(np.int16),
        weights=weights.astype(np.float32),
        offsets=offsets.astype(np.float32),
    )
    near = ~np.isin(template.region, (SKULL, TORSO))
    apart_mm = 1000 * np.linalg.norm(offsets[near], axis=1)
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1e3:.0f} kB, {apart_mm.mean():.2f} mm from the surface")


def laid_on(head: Array, skin: Ints, landmarks: Array) -> Array:
    """The template's vertices (V, 3) laid onto the skin (F, 3) of a head (W, 3) with landmarks (478, 3)."""
    template = load_template()
    own = template.vertices[:LANDMARKS]
    vertices = template.vertices + spread_offsets(template.vertices, own, landmarks - own, _REACH_M, 1e-3)
    vertices[:LANDMARKS] = landmarks
    mean = row_mean(edge_graph(template.faces, len(vertices)))
    free = np.isin(template.region, (SKULL, TORSO))
    for steps in _SMOOTHING:
        offsets = nearest_on_mesh(vertices, head, skin)[1] - vertices
        offsets[:LANDMARKS] = 0
        for _ in range(_FREE_STEPS):
            offsets[free] = _FREE_DECAY * (mean @ offsets)[free]
        for _ in range(steps):
            offsets = (offsets + mean @ offsets) / 2
            offsets[:LANDMARKS] = 0
        vertices = vertices + offsets
        vertices = (vertices + vertices[template.mirror] * [-1, 1, 1]) / 2
    return np.asarray(vertices)


def places_on(points: Array, vertices: Array, faces: Ints) -> tuple[Ints, Array]:
    """Corners (N, 3) and barycentric weights (N, 3) of points (N, 3) on the surface of a mesh."""
    triangles = vertices[faces]
    tried = np.asarray(cKDTree(triangles.mean(1)).query(points, _CANDIDATES)[1])
    best, chosen = np.full(len(points), np.inf), tried[:, 0].copy()
    for triangle in tried.T:
        apart = np.linalg.norm(nearest_on_triangles(points, triangles[triangle]) - points, axis=1)
        closer = apart < best
        best[closer], chosen[closer] = apart[closer], triangle[closer]
    a, b, c = (triangles[chosen, corner] for corner in range(3))
    # Weights are areas of the opposite triangles, measured along the triangle's normal
    normal = np.cross(b - a, c - a)
    areas = [(np.cross(q - p, points - p) * normal).sum(1) for p, q in ((b, c), (c, a), (a, b))]
    weights = np.clip(np.stack(areas, 1), 0, None)
    return faces[chosen], weights / weights.sum(1, keepdims=True)


if __name__ == "__main__":
    main()
