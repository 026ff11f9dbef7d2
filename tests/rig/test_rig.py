from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from fastavatar.core import Binding, Gaussians, concatenate, encode_colors
from fastavatar.errors import InputError, UsageError
from fastavatar.geometry import matrix_from_quaternion_wxyz
from fastavatar.head import ARKIT_NAMES
from fastavatar.rig.binding import make_rig
from tests.rig.heads import discs, fitted, parametric, rig

SIDED = [name for name in ARKIT_NAMES if name.endswith("Left") and name != "jawLeft" and name != "mouthLeft"]


def covariances(gaussians: Gaussians) -> torch.Tensor:
    axes = matrix_from_quaternion_wxyz(gaussians.quats_wxyz) * gaussians.scales[:, None]
    return axes @ axes.mT


def at_vertices(expression: dict[str, float]) -> np.ndarray:
    _, binding = discs()
    mesh = parametric().mesh(expression=expression)
    return binding.at(mesh.vertices).numpy()


@pytest.mark.parametrize("degree", [0, 3])
def test_at_rest_every_gaussian_is_as_it_was(degree: int) -> None:
    gaussians, _ = discs(degree)
    at_rest, nearly = rig(degree).pose({}), rig(degree).pose({"jawOpen": 1e-9})
    assert len(at_rest) == len(gaussians) and len(nearly) == len(rig(degree).rest)
    for name, before in gaussians.tensors().items():
        assert (at_rest.tensors()[name] - before).abs().max() < 1e-6, name
        assert (nearly.tensors()[name][: len(gaussians)] - before).abs().max() < 1e-6, name


def test_what_is_hidden_at_rest_is_too_faint_to_be_drawn() -> None:
    hidden = rig().pose({"jawOpen": 1e-9}).opacities[rig().own :]
    assert len(hidden) > 1000
    assert float(hidden.max()) < 1 / 255
    opened = rig().pose({"jawOpen": 1.0}).opacities[rig().own :]
    assert float(opened.max()) > 0.98


@pytest.mark.parametrize("name", ["jawOpen", "mouthSmileLeft", "browInnerUp", "cheekPuff", "mouthPucker"])
def test_means_follow_the_parametric_head(name: str) -> None:
    own = rig().own
    for weight in (0.3, 1.0):
        moved = rig().pose({name: weight}).means[:own].numpy()
        # The asset's movements below 0.1 mm are left out
        assert np.abs(moved - at_vertices({name: weight})).max() < 2e-4


def test_offsets_add_up_away_from_the_lids() -> None:
    rest = rig().rest.means
    parts = [rig().pose({name: 0.5}).means - rest for name in ("jawOpen", "mouthFunnel", "mouthPucker")]
    both = rig().pose({"jawOpen": 0.5, "mouthFunnel": 0.5, "mouthPucker": 0.5}).means - rest
    assert (sum(parts) - both)[: rig().own].abs().max() < 1e-5


@pytest.mark.parametrize("name", SIDED)
def test_left_is_the_persons_left(name: str) -> None:
    moved = (rig().pose({name: 1.0}).means - rig().rest.means)[: rig().own].norm(dim=1)
    x = rig().rest.means[: rig().own, 0]
    left, right = moved[x > 0.005].sum(), moved[x < -0.005].sum()
    assert left > 1.5 * right


def test_a_smile_that_is_there_goes_only_the_rest_of_the_way() -> None:
    shown = {"mouthSmileLeft": 0.4}
    gaussians, binding = discs()
    gaussians = replace(gaussians, means=torch.from_numpy(at_vertices(shown)))
    smiling = make_rig(gaussians, parametric(), fitted(shown), binding, False)
    rest = smiling.rest.means[: smiling.own]
    moved = smiling.pose({"mouthSmileLeft": 1.0}).means[: smiling.own] - rest
    whole = torch.from_numpy(at_vertices({"mouthSmileLeft": 1.0}) - at_vertices({}))
    assert (moved - 0.6 * whole).abs().max() < 3e-4
    relaxed = make_rig(gaussians, parametric(), fitted(shown), binding, True)
    assert (relaxed.pose(shown).means[: smiling.own] - rest).abs().max() < 1e-6
    assert (relaxed.pose({}).means[: smiling.own] - rest + 0.4 * whole).abs().max() < 3e-4


def test_gradients_are_those_of_finite_differences() -> None:
    weights = torch.full((52,), 0.3, requires_grad=True)
    pull = torch.randn(len(rig().rest), 3, generator=torch.Generator().manual_seed(1)) / 1000

    def loss(at: torch.Tensor) -> torch.Tensor:
        posed = rig().pose(at, (5.0, 3.0, -2.0))
        return (posed.means * pull).sum() + (posed.log_scales * pull).sum() + posed.quats_wxyz.pow(3).mean()

    (gradient,) = torch.autograd.grad(loss(weights), weights)
    for name in ("jawOpen", "mouthSmileLeft", "browInnerUp", "eyeLookOutLeft", "mouthPucker"):
        step = torch.zeros(52)
        step[ARKIT_NAMES.index(name)] = 0.02
        with torch.no_grad():
            slope = (loss(weights + step) - loss(weights - step)) / 0.04
        assert float(gradient[ARKIT_NAMES.index(name)]) == pytest.approx(float(slope), rel=0.1, abs=2e-4)


@pytest.mark.parametrize("degree", [0, 3])
def test_the_kernel_and_the_differentiable_pose_agree(degree: int) -> None:
    generator = torch.Generator().manual_seed(2)
    weights = torch.rand(52, generator=generator)
    pose = ((10.0, -5.0, 4.0), ((5.0, 2.0), (3.0, -4.0)))
    fast = rig(degree).pose(weights, *pose)
    slow = rig(degree).pose(weights.clone().requires_grad_(), *pose)
    assert slow.means.requires_grad and not fast.means.requires_grad
    assert (fast.means - slow.means).abs().max() < 1e-6
    assert (fast.log_scales - slow.log_scales).abs().max() < 1e-4
    assert (covariances(fast) - covariances(slow)).abs().max() < 1e-9
    assert (fast.sh - slow.sh).abs().max() < 1e-4
    assert (fast.opacity_logits - slow.opacity_logits).abs().max() < 1e-4


def test_a_turned_head_turns_the_face_and_leaves_the_torso() -> None:
    posed = rig(3).pose({}, (20.0, 10.0, 5.0))
    own, rest = rig(3).own, rig(3).rest
    joints = rig(3).attachment.joints[:own]
    torso = joints.sum(1) == 0
    assert torso.any() and (posed.means[:own] - rest.means[:own])[torso].abs().max() == 0
    face = (joints[:, 1] == 1) & (joints[:, 0] == 0)
    # R_y(yaw) R_x(−pitch) R_z(−roll)
    R = torch.from_numpy(Rotation.from_euler("YXZ", [20, -10, -5], degrees=True).as_matrix()).float()
    turned = rest.subset(torch.arange(own)[face]).rotated(R)
    moved = posed.subset(torch.arange(own)[face])
    assert (turned.means - turned.means.mean(0) - moved.means + moved.means.mean(0)).abs().max() < 1e-5
    assert (covariances(turned) - covariances(moved)).abs().max() < 1e-9
    assert (turned.sh - moved.sh).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("turn", "axis", "sign"), [((15.0, 0, 0), 0, 1), ((0, 15.0, 0), 1, 1), ((0, 0, 15.0), 0, 1)]
)
def test_turns_have_the_signs_of_the_summary(turn: tuple[float, ...], axis: int, sign: int) -> None:
    """The face goes to the person's left, rises; and the top of the head tilts to the left shoulder."""
    means, moved = rig().rest.means[: rig().own], rig().pose({}, turn).means[: rig().own]
    nose, top = int(means[:, 2].argmax()), int(means[:, 1].argmax())
    index = top if turn[2] else nose
    assert sign * float((moved - means)[index, axis]) > 0.01


def test_eyes_turn_about_their_middle_and_stay_round() -> None:
    posed = rig().pose({}, gaze=((20.0, 0.0), (-10.0, 0.0)))
    for eye, joint, yaw in ((2, 2, 20.0), (3, 3, -10.0)):
        index = rig().attachment.joints[:, eye] == 1
        before, after = (each.means[index] - rig().joints[joint] for each in (rig().rest, posed))
        assert (before.norm(dim=1) - after.norm(dim=1)).abs().max() < 1e-6
        R = torch.from_numpy(Rotation.from_euler("y", yaw, degrees=True).as_matrix()).float()
        assert (before @ R.T - after).abs().max() < 1e-5


def test_looking_left_is_out_for_the_left_eye_and_in_for_the_right() -> None:
    posed = rig().pose({"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0})
    for eye in (2, 3):
        index = rig().attachment.joints[:, eye] == 1
        front = (rig().rest.means[index][:, 2]).argmax()
        assert float((posed.means[index] - rig().rest.means[index])[front, 0]) > 0.003


def test_lids_slide_over_the_ball_not_through_it() -> None:
    for lid in rig().surface.lids:
        for weight in (0.25, 0.5, 0.75, 1.0):
            weights = torch.zeros(52)
            weights[[ARKIT_NAMES.index(f"eyeBlink{side}") for side in ("Left", "Right")]] = weight
            surface = rig().surface.moved(weights)
            offsets = surface.offsets[rig().surface.moving][lid.vertices]
            reach = (lid.outward + offsets).norm(dim=1)
            assert float((lid.outward.norm(dim=1) + weights @ lid.radii - reach).max()) < 1e-5


def test_a_blink_closes_the_lids() -> None:
    head = parametric()
    for side, upper, lower in (("Left", 386, 374), ("Right", 159, 145)):
        weights = torch.zeros(52)
        weights[ARKIT_NAMES.index(f"eyeBlink{side}")] = 1
        moved = rig().surface.moved(weights * rig().gain).offsets.numpy()
        before, after = head.places.at(head.mean), head.places.at(head.mean + moved)
        assert after[upper, 1] - after[lower, 1] < 0.15 * (before[upper, 1] - before[lower, 1])


def test_lips_close_as_far_as_the_jaw_is_open() -> None:
    own = rig().own
    assert torch.equal(rig().pose({"mouthClose": 1.0}).means[:own], rig().rest.means[:own])
    shut = at_vertices({"jawOpen": 0.5, "mouthClose": 0.5})
    posed = rig().pose({"jawOpen": 0.5, "mouthClose": 1.0}).means[:own].numpy()
    assert np.abs(posed - shut).max() < 3e-4


def test_bad_weights_and_angles_are_refused() -> None:
    with pytest.raises(UsageError, match="jawOpen"):
        rig().pose({"jawOpne": 1.0})
    for weight in (-0.1, 1.1):
        with pytest.raises(UsageError, match="jawOpen"):
            rig().pose({"jawOpen": weight})
    with pytest.raises(InputError, match="52"):
        rig().pose(torch.zeros(51))
    with pytest.raises(InputError, match="52"):
        rig().pose(torch.full((52,), torch.nan))
    with pytest.raises(InputError, match="head_turn"):
        rig().pose({}, (0.0, 0.0))
    with pytest.raises(InputError, match="gaze"):
        rig().pose({}, gaze=(np.inf, 0.0))


@pytest.mark.parametrize(("jaw", "tooth", "kept"), [(0.0, 0.8, False), (0.4, 0.8, True), (0.4, 0.1, False)])
def test_teeth_that_a_photo_shows_are_kept_and_others_give_way(jaw: float, tooth: float, kept: bool) -> None:
    """A head that brings teeth keeps them if its lips are apart and if they are as pale as teeth."""
    gaussians, binding = discs()
    mesh, teeth = (
        parametric().mesh(expression={"jawOpen": jaw}),
        parametric().part("upper_teeth", "lower_teeth"),
    )
    faces = mesh.faces[torch.from_numpy(teeth)]
    more = Binding(faces, torch.full((len(faces), 3), 1 / 3))
    own = replace(gaussians, means=binding.at(mesh.vertices))
    inside = replace(
        own.subset(torch.zeros(len(faces), dtype=torch.int64)),
        means=more.at(mesh.vertices),
        sh=encode_colors(torch.tensor([0.8, tooth, tooth])).expand(len(faces), 1, 3),
    )
    both = Binding(torch.cat([binding.corners, more.corners]), torch.cat([binding.weights, more.weights]))
    head = make_rig(concatenate([own, inside]), parametric(), fitted({"jawOpen": jaw}), both, False)
    opened = head.pose({"jawOpen": 1.0}).opacities
    assert (float(opened[len(own) : head.own].median()) > 0.5) == kept
    on_teeth = torch.from_numpy(parametric().region("teeth"))[head.attachment.corners[head.own :]].all(1)
    assert bool(on_teeth.any()) != kept
