import io
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fastavatar as fa
from fastavatar.core import Avatar, HeadParameters, Mesh
from fastavatar.errors import InputError
from fastavatar.formats.splats import Frame
from fastavatar.results import Outputs
from fastavatar.results.head_file import encode_head, read_head
from fastavatar.results.ownership import Written, checksum_of
from tests.results.avatars import make_avatar

COUNT = 300


def bound(seed: int = 0) -> Avatar:
    """An avatar of 300 Gaussians that are bound to the average head."""
    generator = torch.Generator().manual_seed(seed)
    mesh = fa.load_head().mesh()
    weights = torch.rand(COUNT, 3, generator=generator)
    binding = fa.Binding(
        mesh.faces[torch.randint(len(mesh.faces), (COUNT,), generator=generator)],
        weights / weights.sum(1, keepdim=True),
    )
    head = HeadParameters(
        torch.randn(80, generator=generator),
        torch.rand(52, generator=generator),
        torch.rand(5, 3, generator=generator),
    )
    return replace(make_avatar(seed), mesh=mesh, binding=binding, head=head)


@pytest.mark.parametrize("frame", ["supersplat", "opencv", "head"])
def test_an_avatar_comes_back_from_its_folder(frame: Frame, tmp_path: Path) -> None:
    saved = bound()
    read = fa.read_avatar(saved.save(tmp_path / "results", outputs=Outputs(frame=frame)))
    torch.testing.assert_close(read.gaussians.means, saved.gaussians.means)
    torch.testing.assert_close(read.camera.K, saved.camera.K)
    torch.testing.assert_close(read.camera.world_to_camera, saved.camera.world_to_camera)
    assert (read.camera.width, read.camera.height) == (saved.camera.width, saved.camera.height)
    assert read.mesh is not None and saved.mesh is not None
    for field in fields(Mesh):
        found, expected = getattr(read.mesh, field.name), getattr(saved.mesh, field.name)
        assert torch.equal(found, expected) if isinstance(expected, torch.Tensor) else found == expected
    assert read.binding is not None and saved.binding is not None
    assert torch.equal(read.binding.corners, saved.binding.corners)
    torch.testing.assert_close(read.binding.weights, saved.binding.weights, rtol=0, atol=2e-5)
    assert read.head is not None and saved.head is not None
    for name in ("identity", "expression", "joints"):
        assert torch.equal(getattr(read.head, name), getattr(saved.head, name))
    assert read.photo.rgb.shape == saved.photo.rgb.shape and read.photo.path == saved.photo.path
    assert read.face is not None and read.face.box == (40.0, 20.0, 80.0, 70.0)
    assert read.provenance.licence == "MIT" and read.provenance.warnings == ("The face is small.",)
    np.testing.assert_array_equal(read.arrays["w_vector"], saved.arrays["w_vector"])


def test_the_file_is_listed_and_the_same_every_time(tmp_path: Path) -> None:
    a, b = (bound().save(tmp_path / name) for name in "ab")
    assert (a / "head.npz").read_bytes() == (b / "head.npz").read_bytes()
    summary = json.loads((a / "summary.json").read_text("utf-8"))
    written = Written.of(a / "head.npz")
    assert summary["checksums"]["head.npz"] == {"bytes": written.bytes, "sha256": written.sha256}
    bound(1).save(a, overwrite=True)  # the earlier one counts as this program's own
    assert (a / "head.npz").read_bytes() != (b / "head.npz").read_bytes()
    make_avatar().save(a, overwrite=True)
    assert not (a / "head.npz").exists()


def test_the_file_is_written_only_where_wanted_and_possible(tmp_path: Path) -> None:
    without = bound().save(tmp_path / "without", outputs=Outputs(save_head=False))
    no_mesh = make_avatar().save(tmp_path / "no mesh")
    for folder in (without, no_mesh):
        assert not (folder / "head.npz").exists()
        read = fa.read_avatar(folder)
        assert (
            read.mesh is None and read.binding is None and read.head is None and len(read.gaussians) == COUNT
        )
    assert not (bound().save(tmp_path / "c", outputs=Outputs(save_ply=False)) / "splats.ply").exists()


def test_140_000_bindings_take_less_than_two_megabytes() -> None:
    generator = np.random.default_rng(0)
    avatar, count = bound(), 140_000
    assert avatar.mesh is not None
    corners = avatar.mesh.faces[torch.from_numpy(generator.integers(0, len(avatar.mesh.faces), count))]
    weights = torch.from_numpy(generator.dirichlet((1, 1, 1), count).astype(np.float32))
    gaussians = avatar.gaussians.subset(torch.arange(count) % COUNT)
    many = replace(avatar, gaussians=gaussians, binding=fa.Binding(corners, weights))
    assert len(encode_head(many)) <= 2_000_000


def forge(folder: Path, content: bytes) -> None:
    """Write head.npz and state its checksum in the summary, as if a run had written it."""
    (folder / "head.npz").write_bytes(content)
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    for name in summary["checksums"]:
        written = Written.of(folder / name)
        summary["checksums"][name] = {"bytes": written.bytes, "sha256": written.sha256}
    summary["summary_sha256"] = checksum_of(summary)
    (folder / "summary.json").write_text(json.dumps(summary))


def rewritten(folder: Path, **changes: Any) -> None:
    """Change arrays of head.npz; None removes one."""
    arrays = {**np.load(folder / "head.npz"), **changes}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: values for name, values in arrays.items() if values is not None})
    forge(folder, buffer.getvalue())


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def without_splats(folder: Path) -> None:
    (folder / "splats.ply").unlink()


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (emptied, "there is no summary.json"),
    "edited summary": (
        lambda folder: (folder / "summary.json").write_text("{}"),
        "this program did not write it, or it was changed",
    ),
    "no splats": (
        without_splats,
        "splats.ply: it is missing, or was changed",
    ),
    "cut head": (
        lambda folder: (folder / "head.npz").write_bytes((folder / "head.npz").read_bytes()[:999]),
        "head.npz: it is missing, or was changed",
    ),
    "no archive": (
        lambda folder: forge(folder, b"PK\3\4nothing"),
        "it is no such .npz file, or a damaged one",
    ),
    "other layout": (lambda folder: rewritten(folder, format=np.array(7)), "it has layout 7"),
    "no faces": (lambda folder: rewritten(folder, faces=None), "it has no array 'faces'"),
    "bad faces": (
        lambda folder: rewritten(folder, faces=np.full((11848, 3), 60_000, np.uint16)),
        "a face names a vertex that is not among the 6099",
    ),
    "words": (lambda folder: rewritten(folder, vertices=np.array(["a"])), "could not convert string"),
    "not finite": (
        lambda folder: rewritten(folder, vertices=np.full((6099, 3), np.nan, np.float32)),
        "numbers that are not finite",
    ),
    "fewer bindings": (
        lambda folder: rewritten(
            folder, corners=np.zeros((2, 3), np.uint8), weights=np.zeros((2, 2), np.uint16)
        ),
        "300 Gaussians need a mesh and as many bindings, found 2 and a mesh",
    ),
    "bound to nothing": (
        lambda folder: rewritten(folder, corners=np.full((COUNT, 3), 6099, np.uint16)),
        "a Gaussian is bound to a vertex that the mesh does not have",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_in_one_line(damage: str, tmp_path: Path) -> None:
    folder = bound().save(tmp_path / "results")
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(InputError, match="cannot read") as caught:
        fa.read_avatar(folder)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_avatar_without_a_mesh_has_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no mesh"):
        encode_head(make_avatar())
    with pytest.raises(InputError, match=r"head\.npz"):
        read_head(tmp_path / "head.npz")
