"""A figure, or a mesh, and its light as a scene of Mitsuba."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from fastavatar.core import Mesh
from fastavatar.geometry import Array, Ints, vertex_normals
from fastavatar.head import load_head
from fastavatar.train.people import Figure, MadeUpPerson, Strands, linear, linear_rgb

_BOUNCES = 6
"""Light reaches the skin under light hair after several; more change nothing that can be seen."""


@dataclass(frozen=True)
class Patch:
    """Triangles with one material."""

    vertices: Array
    """(V, 3) metres."""
    normals: Array
    """(V, 3)"""
    faces: Ints
    """(F, 3)"""
    uv: Array | None
    """(V, 2), v downward."""
    material: dict[str, Any]
    """A BSDF of Mitsuba."""


def person_scene(person: MadeUpPerson, figure: Figure, light: Array, scratch: Path) -> Any:
    """The scene of a figure; strands pass through files in the folder `scratch`. Needs `start_mitsuba`."""
    parts: dict[str, Any] = {}
    for name, surface in _surfaces(person, figure).items():
        parts[name] = _mesh(name, surface)
    for index, strands in enumerate(figure.strands):
        parts[f"strands{index}"] = _curves(strands, scratch / f"strands{index}.txt")
    return scene_of(parts, light)


def mesh_scene(mesh: Mesh, light: Array) -> Any:
    """The scene of a mesh with a texture or vertex colours, matt, under light (rows, columns, 3)."""
    mesh = mesh if mesh.texture is None else mesh.split_at_seams()
    uv, color = None, cast(dict[str, Any], {"type": "mesh_attribute", "name": "vertex_color"})
    if mesh.texture is not None and mesh.uv is not None:
        uv, color = mesh.uv.double().numpy() * [1, -1] + [0, 1], _texture(linear(mesh.texture.numpy() / 255))
    material = {"type": "twosided", "nested": {"type": "principled", "base_color": color, "roughness": 0.6}}
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    shape = _mesh("mesh", Patch(vertices, vertex_normals(vertices, faces), faces, uv, material))
    if uv is None and mesh.colors is not None:
        shape.add_attribute("vertex_color", 3, linear(mesh.colors.numpy()).astype(np.float32).ravel())
    return scene_of({"mesh": shape}, light)


def scene_of(parts: dict[str, Any], light: Array) -> Any:
    """The scene of shapes, by name, under light (rows, columns, 3)."""
    import mitsuba as mi

    emitter = {"type": "envmap", "bitmap": mi.Bitmap(light.astype(np.float32))}
    integrator = {"type": "path", "max_depth": _BOUNCES, "rr_depth": 3, "hide_emitters": True}
    return mi.load_dict({"type": "scene", "integrator": integrator, "light": emitter, **parts})


def _surfaces(person: MadeUpPerson, figure: Figure) -> dict[str, Patch]:
    head = load_head()
    normals = vertex_normals(figure.vertices, head.faces)
    colors = _texture(figure.colors)
    relief = {"type": "bumpmap", "arbitrary": _texture(figure.relief), "scale": 1.0}
    skin = {
        "type": "principled",
        "base_color": colors,
        "roughness": 0.52 - 0.14 * person.skin.oil,
        "specular": 0.45 + 0.15 * person.skin.oil,
    }
    eye = {"type": "principled", "base_color": colors, "roughness": 0.08, "specular": 0.5}
    wet = {"type": "principled", "base_color": colors, "roughness": 0.25, "specular": 0.5}
    cloth = {
        "type": "principled",
        "base_color": {"type": "rgb", "value": linear_rgb(np.array(person.shirt.lab)).tolist()},
        "roughness": 0.9,
        "specular": 0.1,
    }
    found = {
        "skin": _part(figure, normals, ("skin",), {**relief, "nested": skin}),
        "eyes": _part(figure, normals, ("left_eye", "right_eye"), eye),
        "mouth": _part(
            figure,
            normals,
            ("upper_teeth", "lower_teeth", "gums", "tongue"),
            wet,
        ),
    }
    worn = figure.cloth
    found["shirt"] = Patch(
        worn.vertices,
        vertex_normals(worn.vertices, worn.faces),
        worn.faces,
        None,
        {"type": "twosided", "nested": cloth},
    )
    return found


def _part(figure: Figure, normals: Array, names: tuple[str, ...], material: dict[str, Any]) -> Patch:
    """Parts of the head, with one vertex for each texture coordinate."""
    head = load_head()
    chosen = head.part(*names)
    corners = np.stack([head.faces[chosen].ravel(), head.uv_faces[chosen].ravel()], 1)
    pairs, faces = np.unique(corners, axis=0, return_inverse=True)
    vertex, place = pairs.T
    uv = head.uv[place] * [1, -1] + [0, 1]  # Mitsuba counts v downward
    return Patch(figure.vertices[vertex], normals[vertex], faces.reshape(-1, 3), uv, material)


def _texture(picture: Array) -> dict[str, Any]:
    import mitsuba as mi

    return {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(picture, np.float32)), "raw": True}


def _mesh(name: str, surface: Patch) -> Any:
    import mitsuba as mi

    settings = mi.Properties()
    settings["mesh_bsdf"] = mi.load_dict(surface.material)
    shape = mi.Mesh(
        name,
        len(surface.vertices),
        len(surface.faces),
        has_vertex_normals=True,
        has_vertex_texcoords=surface.uv is not None,
        props=settings,
    )
    fields = mi.traverse(shape)
    fields["vertex_positions"] = surface.vertices.astype(np.float32).ravel()
    fields["vertex_normals"] = surface.normals.astype(np.float32).ravel()
    fields["faces"] = surface.faces.astype(np.uint32).ravel()
    if surface.uv is not None:
        fields["vertex_texcoords"] = surface.uv.astype(np.float32).ravel()
    fields.update()
    return shape


def _curves(strands: Strands, path: Path) -> Any:
    """B-splines of Mitsuba, which reads their control points from a text file."""
    count, steps = strands.points.shape[:2]
    taper = strands.radius_m * (1 - 0.6 * np.linspace(0, 1, steps) ** 2)
    rows = np.concatenate([strands.points, np.broadcast_to(taper[None, :, None], (count, steps, 1))], 2)
    pattern = ("%.5f %.5f %.5f %.6f\n" * steps + "\n") * count
    path.write_text(pattern % tuple(rows.ravel().tolist()))
    fibre = {
        "type": "hair",
        "sigma_a": {"type": "rgb", "value": strands.absorption.tolist()},
        "longitudinal_roughness": 0.35,
        "azimuthal_roughness": 0.3,
    }
    return {"type": "bsplinecurve", "filename": str(path), "material": fibre}
