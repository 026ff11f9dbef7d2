import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fastavatar.core import Gaussians
from fastavatar.errors import UsageError
from fastavatar.formats.registry import read_gaussians, write_gaussians
from fastavatar.geometry.quaternions import matrix_from_quaternion_wxyz
from tests.formats.splats.storable import storable

NAME = "KHR_gaussian_splatting"


def by_the_description(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """The JSON of a binary glTF and its attributes by name."""
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content)) and length % 4 == 0
    json_length, json_kind = struct.unpack_from("<I4s", content, 12)
    assert json_kind == b"JSON" and json_length % 4 == 0
    document = json.loads(content[20 : 20 + json_length])
    size, kind = struct.unpack_from("<I4s", content, 20 + json_length)
    buffer = content[28 + json_length :]
    assert kind == b"BIN\0" and size == len(buffer) == document["buffers"][0]["byteLength"]
    attributes = {}
    for name, place in document["meshes"][0]["primitives"][0]["attributes"].items():
        accessor = document["accessors"][place]
        view = document["bufferViews"][accessor["bufferView"]]
        columns = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        kind = {5126: "<f4", 5121: "u1"}[accessor["componentType"]]
        values = np.frombuffer(buffer, kind, accessor["count"] * columns, view["byteOffset"])
        assert values.nbytes == view["byteLength"]
        attributes[name] = values.reshape(-1, columns)
    return document, attributes


@pytest.mark.parametrize("degree", range(4))
def test_another_reader_sees_the_head_frame(degree: int, tmp_path: Path) -> None:
    """Up is +y and the face looks along +z, as glTF wants it."""
    g = storable(count=50, degree=degree)
    assert write_gaussians(g, tmp_path / "a.glb") == ("the file cannot state its frame",)
    document, found = by_the_description((tmp_path / "a.glb").read_bytes())
    assert document["asset"]["version"] == "2.0" and document["extensionsUsed"] == [NAME]
    primitive = document["meshes"][0]["primitives"][0]
    assert primitive["mode"] == 0 and primitive["extensions"][NAME]["kernel"] == "ellipse"
    assert primitive["extensions"][NAME]["colorSpace"] == "srgb_rec709_display"
    bounds = document["accessors"][primitive["attributes"]["POSITION"]]
    assert bounds["min"] == g.means.amin(0).tolist() and bounds["max"] == g.means.amax(0).tolist()
    sh = np.stack(
        [found[f"{NAME}:SH_DEGREE_{d}_COEF_{n}"] for d in range(degree + 1) for n in range(2 * d + 1)], 1
    )
    quats = torch.from_numpy(found[f"{NAME}:ROTATION"].copy())[:, [3, 0, 1, 2]]
    scales = torch.from_numpy(found[f"{NAME}:SCALE"].copy())
    logits = torch.logit(torch.from_numpy(found[f"{NAME}:OPACITY"].copy()))[:, 0]
    back = Gaussians(
        torch.from_numpy(found["POSITION"].copy()), quats, scales.log(), logits, torch.from_numpy(sh)
    )
    torch.testing.assert_close(back.means, g.means)
    torch.testing.assert_close(back.log_scales, g.log_scales)
    torch.testing.assert_close(back.sh, g.sh, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(back.opacities, g.opacities)
    ours, theirs = (matrix_from_quaternion_wxyz(q) for q in (g.quats_wxyz, back.quats_wxyz))
    assert (
        float(((ours * theirs).sum(1).abs() - 1).abs().max()) < 1e-5
    )  # the same axes, either way along each
    color = np.clip(g.sh[:, 0].numpy() * 0.2820948 + 0.5, 0, 1)
    np.testing.assert_allclose(found["COLOR_0"][:, :3] / 255, color, atol=0.51 / 255)


def test_glb_is_written_only(tmp_path: Path) -> None:
    write_gaussians(storable(count=3), tmp_path / "a.glb")
    with pytest.raises(UsageError, match=r"\.glb files can only be written; read the \.ply file instead"):
        read_gaussians(tmp_path / "a.glb")
