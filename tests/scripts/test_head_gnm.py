from pathlib import Path

import numpy as np
import pytest

from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES, load_head
from scripts.head import __main__ as script
from scripts.head.gnm import KEYS, GnmError, read_gnm

HEAD = load_head()
MIXED = ("jawOpen", "mouthSmileLeft", "eyeBlinkLeft", "browInnerUp")


def made_up(path: Path, **changes: object) -> Path:
    """The packaged head in GNM's layout, smaller and shifted, its expressions mixed with each other."""
    groups = {
        "left_eye": HEAD.part("left_eye"),
        "right_eye": HEAD.part("right_eye"),
        "upper_teeth_and_gums": HEAD.part("upper_teeth"),
        "lower_teeth_and_gums": HEAD.part("lower_teeth"),
        "tongue": HEAD.part("tongue"),
    }
    members = [np.isin(np.arange(len(HEAD.mean)), HEAD.faces[part]) for part in groups.values()]
    regions = {"ears": "ear", "upper_lip": "lips", "mouth_sock": "mouth", "eye_sockets": "sockets"}
    members += [HEAD.region(region) for region in regions.values()] + [np.zeros(len(HEAD.mean), bool)]
    mix = np.linalg.qr(np.random.default_rng(0).normal(size=(6, len(MIXED))))[0]
    actions = HEAD.actions[[ARKIT_NAMES.index(name) for name in MIXED]]
    order = [0, 1, 3, 4]

    def placed(points: Array) -> Array:
        return 0.97 * points + [0.001, 1.2, -0.03]

    content: dict[str, object] = {
        "template_vertex_positions": placed(HEAD.mean),
        "template_joint_positions": placed(HEAD.joints)[order],
        "vertex_identity_basis": 0.97 * HEAD.modes[:6],
        "joint_identity_basis": 0.97 * HEAD.joint_modes[:6, order],
        "expression_basis": 0.97 * np.tensordot(mix, actions, 1),
        "joint_names": np.array(["neck", "head", "left_eye", "right_eye"]),
        "skinning_weights": HEAD.weights[:, order].T,
        "triangles": HEAD.faces,
        "triangle_uvs": HEAD.uv[HEAD.uv_faces],
        "mirror_indices": HEAD.mirror,
        "vertex_groups": np.stack(members).astype(np.float32),
        "vertex_group_names": np.array([*groups, *regions, "lower_lip"]),
    }
    content |= changes
    np.savez(path, **{name: value for name, value in content.items() if value is not None})  # type: ignore[arg-type]
    return path


def test_expressions_are_found_again_in_another_basis(tmp_path: Path) -> None:
    raw = read_gnm(made_up(tmp_path / "gnm.npz"))
    assert raw.modes.shape == (6, len(HEAD.mean), 3) and raw.actions.shape == HEAD.actions.shape
    for name in MIXED:
        index = ARKIT_NAMES.index(name)
        found, true = raw.actions[index], 0.97 * HEAD.actions[index]
        assert np.abs(found - true).max() < 0.1 * np.abs(true).max(), name
    np.testing.assert_allclose(raw.uv[raw.uv_faces], HEAD.uv[HEAD.uv_faces], atol=1e-6)
    np.testing.assert_allclose(raw.joints, 0.97 * HEAD.joints + [0.001, 1.2, -0.03], atol=1e-6)
    assert (raw.parts == HEAD.parts)[HEAD.part("left_eye", "tongue", "skin")].all()


def test_missing_keys_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "gnm.npz", triangles=HEAD.faces)
    with pytest.raises(
        GnmError, match="lacks template_vertex_positions, .*triangle_uvs, mirror_indices"
    ) as one:
        read_gnm(tmp_path / "gnm.npz")
    assert "triangles," not in str(one.value) and len(KEYS) == 12


def test_other_axes_and_names_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = np.array(["neck", "head", "right_eye", "left_eye"])
    path = made_up(tmp_path / "gnm.npz", joint_names=names)
    assert script.main(["--source", "gnm", "--file", str(path), "--target", str(tmp_path / "a.npz")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "x to the person's left" in error
    with pytest.raises(GnmError, match="no single joint for 'neck'"):
        read_gnm(made_up(path, joint_names=np.array(["a", "head", "left_eye", "right_eye"])))
    path.write_bytes(b"no archive")
    with pytest.raises(GnmError, match="cannot read"):
        read_gnm(path)
    assert list(tmp_path.iterdir()) == [path]
