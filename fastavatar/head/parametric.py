"""The parametric head: a person's vertices from identity, expression and the turns of five joints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from fastavatar.core import Mesh
from fastavatar.errors import InputError, UsageError
from fastavatar.geometry import Array, Ints, Similarity
from fastavatar.head import LandmarkPlaces, arkit_weights, motion_of, skinned

JointTurns = Mapping[str, Sequence[float]]
"""Rotation vector (3,) of joints by name, radians, about the axes of the head frame."""


@dataclass(frozen=True)
class ParametricHead:
    """Head, neck and shoulders of adults; `load_head` returns the one that ships with the package."""

    mean: Array
    """(V, 3) the average person, head frame, metres."""
    modes: NDArray[np.float32]
    """(K, V, 3) movement of each vertex per standard deviation of an identity's coefficient, metres."""
    actions: NDArray[np.float32]
    """(52, V, 3) movement of each vertex under the whole of an expression, in the order of `ARKIT_NAMES`."""
    faces: Ints
    """(F, 3) triangles, counter-clockwise from outside."""
    parts: Ints
    """(F,) index into `part_names`: the piece of the mesh that each triangle belongs to."""
    regions: Ints
    """(V,) index into `region_names`."""
    mirror: Ints
    """(V,) the vertex at the same place on the other half."""
    uv: Array
    """(U, 2) texture coordinates in 0…1, v upward; a vertex on a seam has several."""
    uv_faces: Ints
    """(F, 3) the texture coordinate of each triangle's corners."""
    weights: Array
    """(V, 5) how much each vertex follows each joint; the rest of 1 stays with the torso."""
    joints: Array
    """(5, 3) joints of the average person, in the order of `joint_names`."""
    joint_modes: NDArray[np.float32]
    """(K, 5, 3) movement of the joints per standard deviation of a coefficient."""
    places: LandmarkPlaces
    """Where Face Mesh's landmarks lie."""
    part_names: tuple[str, ...]
    region_names: tuple[str, ...]
    joint_names: tuple[str, ...]

    def mesh(
        self,
        identity: ArrayLike | None = None,
        expression: Mapping[str, float] | None = None,
        pose: JointTurns | None = None,
    ) -> Mesh:
        """A person's mesh with regions, parts and texture coordinates.

        `identity` holds at most K coefficients in standard deviations, by default the average person's zeros;
        `expression` weights of ARKit's expressions by name; `pose` the turns of joints by name. Raises
        `UsageError` for an unknown name, with the nearest known one, and `InputError` for coefficients that
        do not fit.
        """
        weights = arkit_weights(expression or {})
        vertices = self.vertices(self.coefficients(identity), weights, self.turns(pose or {}))
        return Mesh(
            torch.from_numpy(vertices).to(torch.float32),
            torch.from_numpy(self.faces),
            regions=torch.from_numpy(self.regions),
            uv=torch.from_numpy(self.uv).to(torch.float32),
            uv_faces=torch.from_numpy(self.uv_faces),
            parts=torch.from_numpy(self.parts),
            part_names=self.part_names,
        )

    def vertices(self, identity: Array, expression: Array | None = None, turns: Array | None = None) -> Array:
        """Vertices (V, 3) in metres from coefficients (K,), weights (52,) and rotation vectors (5, 3)."""
        vertices = self.mean + np.tensordot(identity.astype(np.float32), self.modes, 1)
        if expression is not None:
            vertices += np.tensordot(expression.astype(np.float32), self.actions, 1)
        if turns is None or not turns.any():
            return np.asarray(vertices)
        return skinned(vertices, self.joints_of(identity), self.weights, turns)

    def joints_of(self, identity: Array) -> Array:
        """The joints (5, 3) of a person with coefficients (K,), metres."""
        return np.asarray(self.joints + np.tensordot(identity, self.joint_modes.astype(np.float64), 1))

    def motion_of_skull(self, identity: Array, turns: Array) -> Similarity:
        """How the skull of a person with coefficients (K,) moves under rotation vectors (5, 3) of the joints.

        `vertices` lets the torso stay, so its inverse takes them to the head frame, in which the skull stays.
        """
        return motion_of(self.joint_names.index("head"), self.joints_of(identity), turns)

    def coefficients(self, identity: ArrayLike | None) -> Array:
        """All K coefficients of an identity given by at most as many; the rest are 0.

        Raises `InputError` for more, for another shape and for numbers that are not finite.
        """
        given = np.asarray([] if identity is None else identity, np.float64)
        if given.ndim != 1 or len(given) > len(self.modes):
            raise InputError(f"identity must have shape (≤ {len(self.modes)},), found {given.shape}")
        if not np.isfinite(given).all():
            raise InputError("identity has coefficients that are not finite")
        return np.concatenate([given, np.zeros(len(self.modes) - len(given))])

    def turns(self, pose: JointTurns) -> Array:
        """The rotation vectors (5, 3) of joints given by name; the others are 0.

        Raises `UsageError` for an unknown joint and for a turn that is not three finite numbers.
        """
        turns = np.zeros((len(self.joint_names), 3))
        for name, turn in pose.items():
            if name not in self.joint_names:
                raise UsageError(f"there is no joint {name!r}: use {', '.join(self.joint_names)}")
            vector = np.asarray(turn, np.float64)
            if vector.shape != (3,) or not np.isfinite(vector).all():
                raise UsageError(f"the turn of {name!r} must be a rotation vector of three finite numbers")
            turns[self.joint_names.index(name)] = vector
        return turns

    def region(self, *names: str) -> NDArray[np.bool_]:
        """Which vertices (V,) lie in any of the named regions. Raises `UsageError` for an unknown name."""
        return np.isin(self.regions, [_index(name, self.region_names, "region") for name in names])

    def part(self, *names: str) -> NDArray[np.bool_]:
        """Which triangles (F,) belong to any of the named parts. Raises `UsageError` for an unknown name."""
        return np.isin(self.parts, [_index(name, self.part_names, "part") for name in names])


def _index(name: str, names: tuple[str, ...], kind: str) -> int:
    if name not in names:
        raise UsageError(f"the head has no {kind} {name!r}: use {', '.join(names)}")
    return names.index(name)
