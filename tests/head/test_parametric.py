from importlib.resources import files

import numpy as np
import pytest
import torch

import fastavatar as fa
from fastavatar.errors import InputError, UsageError
from fastavatar.geometry import boundary_loops
from fastavatar.head import ARKIT_NAMES, load_head

HEAD = load_head()
NEUTRAL = HEAD.mesh()


def moved_by(name: str) -> np.ndarray:
    return (HEAD.mesh(expression={name: 1.0}).vertices - NEUTRAL.vertices).numpy()


def test_the_file_is_small_and_its_index_tables_fit() -> None:
    assert files("fastavatar.head").joinpath("head.npz").stat().st_size < 2_000_000  # type: ignore[attr-defined]
    count = len(HEAD.mean)
    assert 5000 < count < 7000 and 60 <= len(HEAD.modes) <= 80
    assert HEAD.actions.shape == (52, count, 3) and HEAD.weights.shape == (count, 5)
    assert len(set(ARKIT_NAMES)) == 52
    assert HEAD.uv.min() >= 0 and HEAD.uv.max() <= 1
    assert (HEAD.mirror[HEAD.mirror] == np.arange(count)).all()
    assert (HEAD.weights.sum(1) < 1.02).all()


def test_the_average_person_is_symmetric() -> None:
    assert np.abs(HEAD.mean - HEAD.mean[HEAD.mirror] * [-1, 1, 1]).max() < 2e-5
    places = HEAD.places.at(HEAD.mean)
    assert np.abs(places - places[HEAD.places.mirror] * [-1, 1, 1]).max() < 5e-4


def test_axes_and_size() -> None:
    left, right = HEAD.joints[3:]
    assert 0.055 < left[0] - right[0] < 0.066  # x is the person's left, metres
    chin, nose = HEAD.places.at(HEAD.mean)[[152, 1]]
    assert chin[1] < nose[1] < left[1] and nose[2] > left[2]  # y up, z out of the face
    torso = HEAD.mean[HEAD.region("torso")]
    assert torso[:, 1].min() < chin[1] - 0.22 and np.ptp(torso[:, 0]) > 0.4


def test_the_skin_is_open_only_along_one_plane_below_and_wound_outward() -> None:
    skin = HEAD.faces[HEAD.part("skin")]
    loops = boundary_loops(skin)
    assert len(loops) == 3  # the chest and two arms
    heights = HEAD.mean[np.concatenate(loops), 1]
    out = HEAD.mean[np.concatenate(loops)]
    plane = np.column_stack([out[:, 2], np.ones(len(out))])
    flat = heights - plane @ np.linalg.lstsq(plane, heights, rcond=None)[0]
    assert np.abs(flat).max() < 0.006
    a, b, c = (HEAD.mean[HEAD.faces[:, k]] for k in range(3))
    for name in ("left_eye", "right_eye", "tongue"):
        of = HEAD.part(name)
        assert not boundary_loops(HEAD.faces[of])
        volume = np.einsum(
            "nc,nc->", a[of] - a[of].mean(0), np.cross(b[of] - a[of].mean(0), c[of] - a[of].mean(0))
        )
        assert volume > 0, name


def test_jaw_open_lowers_the_jaw_and_not_the_brow() -> None:
    moved = moved_by("jawOpen")
    chin = HEAD.places.corners[152]
    assert moved[chin, 1].max() < -0.015
    assert np.abs(moved[HEAD.mean[:, 1] > HEAD.joints[3, 1] + 0.005]).max() < 0.001
    half = HEAD.mesh(expression={"jawOpen": 0.5}).vertices - NEUTRAL.vertices
    torch.testing.assert_close(2 * half.numpy(), moved, atol=1e-6, rtol=0)


def test_a_blink_closes_the_persons_own_eye_and_touches_nothing_else() -> None:
    moved = moved_by("eyeBlinkLeft")
    lids = HEAD.region("eyelids")
    left, right = (lids & (side * HEAD.mean[:, 0] > 0.005) for side in (1, -1))
    assert moved[left, 1].min() < -0.006
    assert np.abs(moved[right]).max() < 1e-4 and np.abs(moved[HEAD.region("mouth", "lips")]).max() < 1e-3
    mirrored = moved_by("eyeBlinkRight")[HEAD.mirror] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, moved, atol=3e-4)


def test_joints_carry_what_hangs_on_them() -> None:
    turned = HEAD.mesh(pose={"head": (0, 0.5, 0)}).vertices.numpy()
    eye = HEAD.part("left_eye")
    corners = np.unique(HEAD.faces[eye])
    before, after = NEUTRAL.vertices.numpy()[corners], turned[corners]
    assert after[:, 0].mean() > before[:, 0].mean() + 0.02  # the face turns to the person's left
    spread = [np.linalg.norm(points - points.mean(0), axis=1) for points in (before, after)]
    np.testing.assert_allclose(spread[1], spread[0], atol=1e-6)  # and the eyeball is carried rigidly
    still = HEAD.mean[:, 1] < -0.25
    np.testing.assert_array_equal(turned[still], NEUTRAL.vertices.numpy()[still])
    jaw = HEAD.mesh(pose={"jaw": (0.3, 0, 0)}).vertices.numpy() - NEUTRAL.vertices.numpy()
    assert jaw[HEAD.places.corners[152], 1].max() < -0.01
    assert np.abs(jaw[HEAD.region("eyelids")]).max() < 1e-6


def test_the_motion_of_the_skull_is_that_of_all_that_hangs_on_the_head_alone() -> None:
    identity, turns = np.zeros(80), HEAD.turns({"neck": [0.1, 0.2, 0.0], "head": [0.0, -0.3, 0.1]})
    identity[:5] = 1.5
    motion = HEAD.motion_of_skull(identity, turns)
    alone = HEAD.weights[:, HEAD.joint_names.index("head")] > 0.9999
    turned, still = HEAD.vertices(identity, None, turns)[alone], HEAD.vertices(identity)[alone]
    assert np.abs(turned - still).max() > 0.01
    np.testing.assert_allclose(motion.apply(still), turned, atol=1e-4)
    np.testing.assert_allclose(motion.inverse().apply(turned), still, atol=1e-4)


def test_identity_moves_the_whole_head() -> None:
    wide = HEAD.mesh(identity=[2.0, -1.0]).vertices
    assert 0.001 < float((wide - NEUTRAL.vertices).norm(dim=1).mean()) < 0.05
    torch.testing.assert_close(HEAD.mesh(identity=np.zeros(len(HEAD.modes))).vertices, NEUTRAL.vertices)


def test_the_mesh_has_regions_parts_and_a_map_with_seams() -> None:
    mesh = fa.load_head().mesh()
    assert mesh.regions is not None and mesh.parts is not None and mesh.uv is not None
    split = mesh.split_at_seams()
    assert split.uv is not None and len(split.uv) == len(split.vertices) >= len(mesh.vertices)
    torch.testing.assert_close(split.vertices[split.faces], mesh.vertices[mesh.faces])
    assert mesh.uv_faces is not None
    torch.testing.assert_close(split.uv[split.faces], mesh.uv[mesh.uv_faces])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: HEAD.mesh(expression={"jawOpne": 1}), UsageError, "did you mean 'jawOpen'"),
        (lambda: HEAD.mesh(expression={"jawOpen": float("nan")}), UsageError, "finite"),
        (lambda: HEAD.mesh(pose={"knee": (0, 0, 0)}), UsageError, "no joint 'knee'"),
        (lambda: HEAD.mesh(pose={"jaw": (0, 0)}), UsageError, "rotation vector"),
        (lambda: HEAD.mesh(identity=np.zeros(500)), InputError, "identity must have shape"),
        (lambda: HEAD.mesh(identity=[np.inf]), InputError, "finite"),
        (lambda: HEAD.region("knee"), UsageError, "no region 'knee'"),
    ],
)
def test_what_is_unknown_is_refused(call, error: type[Exception], message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=message):
        call()
