"""Puts a person together: the surfaces, hair and textures that are rendered, and the true surface."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Bools, edge_graph, vertex_normals
from fastavatar.head import load_head
from fastavatar.train.people import (
    Cloth,
    MadeUpPerson,
    SkinSurface,
    Strands,
    facial_strands,
    hair_reflectance,
    head_canvas,
    linear_rgb,
    paint,
    scalp,
    scalp_hair,
    shirt_cloth,
    skin_faces,
)


@dataclass(frozen=True)
class Figure:
    """A person with one expression."""

    vertices: Array
    """(V, 3) of the parametric head, metres."""
    cloth: Cloth
    strands: list[Strands]
    colors: Array
    """(S, S, 3) texture of the head, linear RGB."""
    relief: Array
    """(S, S, 1) height of the skin's pores and lines, metres."""
    outline: Array
    """(V, 3) the vertices with the hair's thickness on the scalp and the shirt on the torso."""
    vertex_colors: Array
    """(V, 3) linear RGB at the vertices, hair and shirt included."""


def build_figure(
    person: MadeUpPerson, expression: Array, turns: Array, texture_px: int, seed: tuple[int, ...]
) -> Figure:
    """The body of a person with weights (52,) of the expressions and turns (5, 3) of the joints.

    `seed` decides every strand and freckle: the same for all expressions of one person.
    """
    head = load_head()
    vertices = head.vertices(person.identity, expression, turns)
    canvas = head_canvas(texture_px)
    texels, relief = paint(person, canvas, np.random.default_rng([*seed, 2]))
    skin = SkinSurface(vertices)
    strands = scalp_hair(person.hair, skin, np.random.default_rng([*seed, 3]))
    cloth = shirt_cloth(person.shirt, vertices, np.random.default_rng([*seed, 5]))
    outline = _under_hair(person, vertices, strands) + cloth.worn - vertices
    colors = _vertex_colors(person, canvas.picture(texels), (cloth.worn != vertices).any(1))
    strands = [*strands, *facial_strands(person.hair, skin, vertices, np.random.default_rng([*seed, 4]))]
    return Figure(
        vertices,
        cloth,
        strands,
        canvas.picture(texels, 0.3),
        canvas.picture(relief[:, None]),
        outline,
        colors,
    )


def _under_hair(person: MadeUpPerson, vertices: Array, strands: list[Strands]) -> Array:
    """The vertices moved outward to where nine tenths of the hair above each lie."""
    if not strands:
        return vertices
    head = load_head()
    on_scalp = (scalp(head.mean, person.hair.hairline_m) > 0) & head.region("skull", "face", "neck")
    index = np.flatnonzero(on_scalp)
    normals = vertex_normals(vertices, head.faces[skin_faces(head)])
    points = strands[0].points.reshape(-1, 3)
    distance, nearest = (np.asarray(one) for one in cKDTree(vertices[index]).query(points))
    near = distance < 0.08
    heights = np.einsum(
        "nc,nc->n", points[near] - vertices[index[nearest[near]]], normals[index[nearest[near]]]
    )
    thickness = np.zeros(len(vertices))
    order = np.lexsort([heights, nearest[near]])
    owners, first, count = np.unique(nearest[near][order], return_index=True, return_counts=True)
    thickness[index[owners]] = heights[order][first + (0.9 * (count - 1)).astype(int)]
    graph = edge_graph(head.faces, len(vertices))
    degree = np.maximum(np.asarray(graph.sum(1)).ravel(), 1)
    for _ in range(4):  # single strands would make spikes
        thickness = np.where(on_scalp, 0.5 * thickness + 0.5 * (graph @ thickness) / degree, 0)
    return np.asarray(vertices + np.maximum(thickness, 0)[:, None] * normals)


def _vertex_colors(person: MadeUpPerson, texture: Array, clothed: Bools) -> Array:
    """Linear RGB (V, 3): the texture at each vertex, and the colours of hair and, where `clothed`, shirt."""
    head = load_head()
    size = len(texture)
    uv = np.zeros((len(head.mean), 2))
    uv[head.faces.ravel()] = head.uv[head.uv_faces.ravel()]
    row, column = ((1 - uv[:, 1]) * size).astype(int), (uv[:, 0] * size).astype(int)
    colors = texture[row.clip(0, size - 1), column.clip(0, size - 1)].astype(np.float64)
    if person.hair.cut not in ("bald", "shaved"):
        colors[scalp(head.mean, person.hair.hairline_m) > 0.004] = hair_reflectance(person.hair.absorption)
    colors[clothed] = linear_rgb(np.array(person.shirt.lab))
    return np.asarray(colors)
