import json
from pathlib import Path

import pytest
import torch

from fastavatar.captures import read_cameras, read_capture
from fastavatar.errors import InputError
from tests.synthetic_capture import write_capture, write_colmap


@pytest.mark.parametrize("form", ["file", "folder", "renamed", "without sizes", "colmap"])
def test_the_cameras_are_those_of_the_capture(form: str, tmp_path: Path) -> None:
    write_capture(tmp_path)
    path = tmp_path / "transforms.json"
    content = json.loads(path.read_text())
    if form == "without sizes":
        for frame in content["frames"]:
            del frame["w"], frame["h"]
    content["frames"].reverse()
    path.write_text(json.dumps(content))
    if form == "colmap":
        write_colmap(tmp_path)
        path.unlink()
    views = read_capture(tmp_path).views
    if form == "renamed":
        path = path.rename(tmp_path / "views.json")
    found = read_cameras(tmp_path if form in ("folder", "colmap") else path).views
    assert [name for name, _ in found] == [view.name for view in views]
    for (_, camera), view in zip(found, views, strict=True):
        assert torch.equal(camera.K, view.camera.K)
        assert torch.equal(camera.world_to_camera, view.camera.world_to_camera)
        assert (camera.width, camera.height) == (view.camera.width, view.camera.height)


def test_a_file_without_cameras_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone\.json"):
        read_cameras(tmp_path / "gone.json")
    write_capture(tmp_path)
    path = tmp_path / "transforms.json"
    content = json.loads(path.read_text())
    for frame in content["frames"]:
        del frame["w"]
        frame["file_path"] = "gone.png"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"frame 0 \(gone\.png\): it states no w and h"):
        read_cameras(path)
