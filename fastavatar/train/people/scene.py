"""A body and its light as a scene of Mitsuba, and pictures of it."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from fastavatar.core import Camera
from fastavatar.geometry import Array, Ints, vertex_normals
from fastavatar.head import load_head
from fastavatar.train.people import Body, Person, Strands, linear_rgb

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From the axes of Mitsuba's cameras (x left, y up, z forward) to OpenCV's (x right, y down)."""
_BOUNCES = 7
"""Light reaches the skin under light hair after several; more change nothing that can be seen."""


@dataclass(frozen=True)
class Surface:
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


def person_scene(person: Person, body: Body, light: Array, scratch: Path) -> Any:
    """The scene of a body; strands pass through files in the folder `scratch`. Needs `start_mitsuba`."""
    parts: dict[str, Any] = {}
    for name, surface in _surfaces(person, body).items():
        parts[name] = _mesh(name, surface)
    for index, strands in enumerate(body.strands):
        parts[f"strands{index}"] = _curves(strands, scratch / f"strands{index}.txt")
    return scene_of(parts, light)


def scene_of(parts: dict[str, Any], light: Array) -> Any:
    """The scene of shapes, by name, under light (rows, columns, 3)."""
    import mitsuba as mi

    emitter = {"type": "envmap", "bitmap": mi.Bitmap(light.astype(np.float32))}
    integrator = {"type": "path", "max_depth": _BOUNCES, "hide_emitters": True}
    return mi.load_dict({"type": "scene", "integrator": integrator, "light": emitter, **parts})


def _surfaces(person: Person, body: Body) -> dict[str, Surface]:
    head = load_head()
    normals = vertex_normals(body.vertices, head.faces)
    colors = _texture(body.colors)
    relief = {"type": "bumpmap", "arbitrary": _texture(body.relief), "scale": 1.0}
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
        "skin": _part(body, normals, ("skin",), {**relief, "nested": skin}),
        "eyes": _part(body, normals, ("left_eye", "right_eye"), eye),
        "mouth": _part(body, normals, ("upper_teeth", "lower_teeth", "gums", "tongue"), wet),
    }
    worn = body.cloth
    found["shirt"] = Surface(
        worn.vertices, vertex_normals(worn.vertices, worn.faces), worn.faces, None, {"type": "twosided", "nested": cloth}
    )
    return found


def _part(body: Body, normals: Array, names: tuple[str, ...], material: dict[str, Any]) -> Surface:
    """Parts of the head, with one vertex for each texture coordinate."""
    head = load_head()
    chosen = head.part(*names)
    corners = np.stack([head.faces[chosen].ravel(), head.uv_faces[chosen].ravel()], 1)
    pairs, faces = np.unique(corners, axis=0, return_inverse=True)
    vertex, place = pairs.T
    uv = head.uv[place] * [1, -1] + [0, 1]  # Mitsuba counts v downward
    return Surface(body.vertices[vertex], normals[vertex], faces.reshape(-1, 3), uv, material)


def _texture(picture: Array) -> dict[str, Any]:
    import mitsuba as mi

    return {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(picture, np.float32)), "raw": True}


def mesh_shape(name: str, surface: Surface) -> Any:
    """A mesh of Mitsuba."""
    return _mesh(name, surface)


def _mesh(name: str, surface: Surface) -> Any:
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


def picture(scene: Any, camera: Camera, samples: int, seed: int) -> NDArray[np.uint8]:
    """What a camera sees, (H, W, 4): sRGB, and coverage as alpha, which is not multiplied into the colours."""
    import mitsuba as mi

    K, size = camera.K.double().numpy(), (camera.width, camera.height)
    to_world = np.linalg.inv(_FLIP @ camera.world_to_camera.double().numpy())
    sensor = mi.load_dict(
        {
            "type": "perspective",
            "fov": math.degrees(2 * math.atan(size[0] / (2 * K[0, 0]))),
            "fov_axis": "x",
            "near_clip": 0.05,
            "far_clip": 100.0,
            "to_world": mi.ScalarTransform4f(to_world),
            "film": {
                "type": "hdrfilm",
                "width": size[0],
                "height": size[1],
                "pixel_format": "rgba",
                "rfilter": {"type": "box"},  # sums in one order, so that the same seed gives the same bytes
            },
            "sampler": {"type": "multijitter"},
        }
    )
    found = without_fireflies(np.array(mi.render(scene, sensor=sensor, spp=samples, seed=seed), np.float64))
    alpha = np.clip(found[..., 3:], 0, 1)
    colors = developed(np.maximum(found[..., :3], 0) / np.maximum(alpha, 1e-3)) * (alpha > 0)
    return np.concatenate([colors, alpha], 2).__mul__(255).round().astype(np.uint8)


def without_fireflies(found: Array) -> Array:
    """A picture (H, W, C) whose single bright pixels are as bright as the brightest of their eight neighbours.

    They are paths that met a small, bright light by chance; more samples would average them out.
    """
    around = np.ones((3, 3, 1), bool)
    around[1, 1] = False
    brightest = maximum_filter(found, footprint=around, mode="nearest")
    return np.asarray(np.minimum(found, brightest))


def developed(linear: Array) -> Array:
    """sRGB in 0…1 of linear RGB; highlights above 0.7 roll off, as on film, instead of being cut at 1."""
    knee = 0.7
    rolled = knee + (1 - knee) * (1 - np.exp(-(np.maximum(linear, knee) - knee) / (1 - knee)))
    return encoded(np.where(linear > knee, rolled, linear))


def encoded(linear: Array) -> Array:
    """sRGB of linear RGB."""
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
