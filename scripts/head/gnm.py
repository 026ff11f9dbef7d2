"""The second source: Google's GNM Head (Apache-2.0), version 3, from its `gnm_head.npz`.

The file was not at hand when this was written: the layout is taken from public code that reads it, and
checked key by key. GNM's 383 expressions are components of regions, not named by what they do. ARKit's are
fitted to them by least squares, from the movements of the packaged head at the nearest places.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fastavatar.errors import InputError
from fastavatar.geometry import Array, Bools, Ints, fit_similarity, sample_triangles
from fastavatar.head import ParametricHead, load_head
from fastavatar.system.arrays import read_npz
from scripts.head.raw import JOINTS, OF_PARTS, PARTS, REGIONS, Floats, RawHead

KEYS = (
    "template_vertex_positions",
    "template_joint_positions",
    "vertex_identity_basis",
    "joint_identity_basis",
    "expression_basis",
    "joint_names",
    "skinning_weights",
    "triangles",
    "triangle_uvs",
    "mirror_indices",
    "vertex_groups",
    "vertex_group_names",
)
GROUPS_OF_PARTS = {
    "left_eye": "left_eye",
    "right_eye": "right_eye",
    "upper_teeth": "upper_teeth_and_gums",
    "lower_teeth": "lower_teeth_and_gums",
    "tongue": "tongue",
}
GROUPS_OF_REGIONS = {
    "ear": ("ears",),
    "lips": ("upper_lip", "lower_lip"),
    "mouth": ("mouth_sock",),
    "sockets": ("eye_sockets",),
}
MODES = 80
"""Modes kept, the widest: the asset holds about 55 kB for each."""
ROUNDS, REACH_M, RIDGE = 30, 0.010, 1e-4
"""Rounds of alignment (iterative closest points), the farthest place that counts as the same, and the weight
of small coefficients against exact movements, as a share of the basis's mean square."""


class GnmError(Exception):
    """A file that is not laid out as GNM Head's is known to be."""


Arrays = Mapping[str, NDArray[np.generic]]


def read_gnm(path: Path) -> RawHead:
    """The head in a file `gnm_head.npz`. Raises `GnmError` for a file of another layout."""
    try:
        data = read_npz(path)
    except InputError as error:
        raise GnmError(str(error)) from error
    missing = [key for key in KEYS if key not in data]
    if missing:
        raise GnmError(f"{path} is not laid out as GNM Head 3: it lacks {', '.join(missing)}")
    groups = _groups(path, data)
    mean = data["template_vertex_positions"].astype(np.float64)
    faces = data["triangles"].astype(np.int64)
    joint_names, places = _joints(path, data)
    modes = data["vertex_identity_basis"].astype(np.float32)
    widest = np.argsort(-(modes**2).sum((1, 2)))[:MODES]
    uv, uv_index = np.unique(data["triangle_uvs"].reshape(-1, 2), axis=0, return_inverse=True)
    parts = _parts(groups, faces)
    weights = _weights(data, joint_names)
    packaged = load_head()
    joints, joint_modes = _with_jaw(packaged, places, data["joint_identity_basis"][widest], joint_names)
    return RawHead(
        mean=mean,
        modes=modes[widest],
        actions=_fitted_actions(packaged, mean, joints, data["expression_basis"].astype(np.float32)),
        faces=faces,
        parts=parts,
        uv=uv.astype(np.float64),
        uv_faces=uv_index.reshape(faces.shape),
        mirror=data["mirror_indices"].astype(np.int64),
        weights=weights,
        joints=joints,
        joint_modes=joint_modes,
        regions=_regions(groups, faces, parts, weights),
    )


def _groups(path: Path, data: Arrays) -> dict[str, Bools]:
    """The named groups of vertices, each (V,)."""
    names = [str(name) for name in data["vertex_group_names"]]
    groups = {name: row > 0.5 for name, row in zip(names, data["vertex_groups"].astype(float), strict=True)}
    wanted = {*GROUPS_OF_PARTS.values(), *(name for some in GROUPS_OF_REGIONS.values() for name in some)}
    missing = sorted(wanted - set(groups))
    if missing:
        raise GnmError(f"{path} has no group of vertices named {', '.join(missing)}")
    return groups


def _joints(path: Path, data: Arrays) -> tuple[dict[str, int], Array]:
    """Index of this project's joints but the jaw, which GNM lacks, and the places (J, 3) of all."""
    names = [str(name).lower() for name in data["joint_names"]]
    found = {}
    for joint in JOINTS:
        words = joint.split("_")
        matching = [k for k, name in enumerate(names) if all(word in name for word in words)]
        if joint != "jaw" and len(matching) != 1:
            raise GnmError(f"{path} has no single joint for {joint!r} among {', '.join(names)}")
        if matching:
            found[joint] = matching[0]
    places = data["template_joint_positions"].astype(np.float64)
    left, right, neck = (places[found[joint]] for joint in ("left_eye", "right_eye", "neck"))
    if not (left[0] > right[0] and left[1] > neck[1] and 0.04 < left[0] - right[0] < 0.09):
        raise GnmError(
            f"{path}: expected metres, x to the person's left and y up, found eyes at {left}, {right}"
        )
    return found, places


def _with_jaw(
    packaged: ParametricHead, places: Array, modes: NDArray[np.generic], names: dict[str, int]
) -> tuple[Array, Floats]:
    """Joints (5, 3) and their modes (K, 5, 3); the jaw stands and moves beside the head's joint."""
    jaw = JOINTS.index("jaw")
    order = [names.get(joint, names["head"]) for joint in JOINTS]
    joints, joint_modes = places[order], modes.astype(np.float32)[:, order]
    if "jaw" not in names:
        others = np.arange(len(JOINTS)) != jaw
        joints[jaw] = fit_similarity(packaged.joints[others], joints[others]).apply(packaged.joints[[jaw]])[0]
    return joints, joint_modes


def _weights(data: Arrays, names: dict[str, int]) -> Array:
    """(V, 5) shares of the joints; a jaw that GNM lacks has none."""
    shares = data["skinning_weights"].astype(np.float64)
    none = np.zeros(shares.shape[1])
    return np.stack([shares[names[joint]] if joint in names else none for joint in JOINTS], 1)


def _parts(groups: dict[str, Bools], faces: Ints) -> Ints:
    """(F,) index into `PARTS`: the part all of whose corners lie in its group."""
    parts = np.zeros(len(faces), np.int64)
    for part, group in GROUPS_OF_PARTS.items():
        parts[groups[group][faces].all(1)] = PARTS.index(part)
    return parts


def _regions(groups: dict[str, Bools], faces: Ints, parts: Ints, weights: Array) -> Ints:
    """(V,) index into `REGIONS`."""
    strongest = np.column_stack([weights[:, :2], 1 - weights.sum(1)]).argmax(1)
    regions = np.array([REGIONS.index(name) for name in ("neck", "skull", "torso")])[strongest]
    for region, names in GROUPS_OF_REGIONS.items():
        regions[np.any([groups[name] for name in names], axis=0)] = REGIONS.index(region)
    for part, region in OF_PARTS.items():
        regions[np.unique(faces[parts == PARTS.index(part)])] = REGIONS.index(region)
    return np.asarray(regions)


def _fitted_actions(packaged: ParametricHead, mean: Array, joints: Array, basis: Floats) -> Floats:
    """ARKit's actions (52, V, 3) in an expression basis (E, V, 3), least squares with a little ridge."""
    inside = packaged.region("mouth", "sockets")[packaged.faces].any(1)
    skin = packaged.faces[packaged.part("skin") & ~inside]
    owner, shares = sample_triangles(packaged.mean, skin, 0.001)
    corners = skin[owner]
    surface = np.einsum("nk,nkc->nc", shares, packaged.mean[corners])
    placed = fit_similarity(packaged.joints, joints)
    # Iterative closest points: the surfaces, not the joints, decide in the end
    for _ in range(ROUNDS):
        distance, nearest = (np.asarray(found) for found in cKDTree(placed.apply(surface)).query(mean))
        same = distance < REACH_M
        placed = fit_similarity(surface[nearest[same]], mean[same])
    turn = placed.scale * placed.rotation.T
    near = nearest[same]
    moved = np.einsum("nk,ankc->anc", shares[near], packaged.actions[:, corners[near]]) @ turn
    known = basis[:, same].reshape(len(basis), -1).astype(np.float64)
    gram = known @ known.T
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    coefficients = np.linalg.solve(gram, known @ moved.reshape(len(moved), -1).T)
    return np.tensordot(coefficients.T.astype(np.float32), basis, 1)
