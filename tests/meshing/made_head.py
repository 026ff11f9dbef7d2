"""An avatar on the average parametric head, whose Gaussians have a smooth pattern of colours."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
import trimesh
from torch import Tensor

import fastavatar as fa
from fastavatar.core import (
    Avatar,
    Binding,
    Gaussians,
    HeadParameters,
    Mesh,
    Photo,
    Provenance,
    encode_colors,
    frontal_camera,
)
from fastavatar.geometry import quaternion_wxyz_from_matrix

COUNT = 60_000
BEYOND_CENTER, BEYOND_M = torch.tensor([0.0, 0.14, -0.08]), 0.06


def pattern(points: Tensor) -> Tensor:
    """Colours (N, 3) at points (N, 3): between 0.25 and 0.75, with waves of 12 cm."""
    return 0.5 + 0.25 * torch.sin(points * (2 * np.pi / 0.12))


def with_bun(mesh: Mesh) -> Mesh:
    """The head with a ball on its top as what is beyond it, as the embedded model appends it."""
    ball = trimesh.creation.icosphere(3, BEYOND_M)
    first, more = len(mesh.vertices), len(ball.faces)
    assert mesh.regions is not None and mesh.parts is not None and mesh.uv_faces is not None
    return Mesh(
        torch.cat([mesh.vertices, torch.tensor(ball.vertices).float() + BEYOND_CENTER]),
        torch.cat([mesh.faces, torch.tensor(ball.faces).long() + first]),
        regions=torch.cat([mesh.regions, torch.full((len(ball.vertices),), 10)]),
        uv=mesh.uv,
        uv_faces=torch.cat([mesh.uv_faces, torch.zeros(more, 3).long()]),
        parts=torch.cat([mesh.parts, torch.full((more,), len(mesh.part_names))]),
        part_names=(*mesh.part_names, "beyond"),
    )


@cache
def made_head(identity: tuple[float, ...] = (), seed: int = 0) -> Avatar:
    """Discs spread over the head and its bun, seen by a camera in front."""
    head = fa.load_head()
    mesh = with_bun(head.mesh(identity))
    lashes = torch.tensor([mesh.part_names.index(f"{side}_lashes") for side in ("left", "right")])
    binding = mesh.subset(~torch.isin(mesh.parts, lashes)).sample(COUNT)  # type: ignore[arg-type]
    # A subset numbers its vertices anew: bind to the whole mesh's
    kept = mesh.faces[~torch.isin(mesh.parts, lashes)].reshape(-1).unique()  # type: ignore[arg-type, no-untyped-call]
    binding = Binding(kept[binding.corners], binding.weights)
    means, normals = binding.at(mesh.vertices), torch.nn.functional.normalize(binding.at(mesh.normals()))
    across = torch.nn.functional.normalize(torch.linalg.cross(normals, torch.tensor([[0.3, 0.9, 0.1]])))
    frames = torch.stack([across, torch.linalg.cross(normals, across), normals], 2)
    gaussians = Gaussians(
        means,
        quaternion_wxyz_from_matrix(frames),
        torch.tensor([0.0016, 0.0016, 0.0001]).log().expand(len(means), 3),
        torch.full((len(means),), 4.6),
        encode_colors(pattern(means))[:, None],
    )
    joints = torch.from_numpy(head.joints_of(head.coefficients(identity))).float()
    parameters = HeadParameters(torch.zeros(80), torch.zeros(52), joints)
    photo = Photo(np.full((64, 64, 3), 255, np.uint8), None, None, Path("made.png"))
    made = Provenance("facemesh", "MIT", seed, "cpu")
    camera = frontal_camera(1.0, 100.0, 64, 64)
    return Avatar(gaussians, camera, photo, None, made, mesh=mesh, binding=binding, head=parameters)
