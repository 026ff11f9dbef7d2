import json
from dataclasses import replace
from pathlib import Path

import torch

from fastavatar.captures import Capture, read_capture
from fastavatar.core import frontal_camera
from fastavatar.evaluation import Options, Report, evaluate
from fastavatar.images.photo import load_photo
from tests.synthetic_capture import frame_entry, save_picture, write_transforms

EXAMPLE = Path(__file__).parents[2] / "data" / "example.png"


def test_a_photo_becomes_an_avatar_in_the_captures_world(tmp_path: Path) -> None:
    photo = load_photo(EXAMPLE)
    camera = frontal_camera(1.2, 2.0 * photo.width, photo.width, photo.height)
    views = {"a": camera.orbited(70.0), "b": camera.orbited(40.0)}
    for name in views:
        save_picture(torch.from_numpy(photo.rgb.copy()) / 255, tmp_path / "images" / f"{name}.png")
    entries = [{**frame_entry(view, name), "fg_mask_path": None} for name, view in views.items()]
    write_transforms(tmp_path, entries)
    capture = read_capture(tmp_path)
    report = evaluate(capture, "photo", [0])
    assert json.dumps(report.to_json(), allow_nan=False)
    # Placed by the camera of its own photo the head covers itself there, and not as another camera sees it.
    seen, elsewhere = (_error_where_drawn(report, capture, view) for view in (0, 1))
    assert seen < 0.1 < elsewhere
    assert report.extra["scale"] == 1 and "neither points nor a mesh" in report.warnings[-1]


def _error_where_drawn(report: Report, capture: Capture, view: int) -> float:
    """Mean absolute difference to the photograph where the render is not white."""
    image = report.images[view]
    drawn = (image < 0.95).any(-1)
    return float((image - capture.views[view].image)[drawn].abs().mean())


def test_the_whole_capture_needs_no_other_view(tmp_path: Path) -> None:
    """Only the input view may matter to `photo`: damage to the other view does not change its renders."""
    photo = load_photo(EXAMPLE)
    camera = frontal_camera(1.2, 2.0 * photo.width, photo.width, photo.height)
    save_picture(torch.from_numpy(photo.rgb.copy()) / 255, tmp_path / "images" / "a.png")
    write_transforms(tmp_path, [{**frame_entry(camera, "a"), "fg_mask_path": None}])
    capture = read_capture(tmp_path)
    other = replace(capture.views[0], name="b", image=torch.rand_like(capture.views[0].image))
    both = replace(capture, views=(*capture.views, other))
    alone, with_other = evaluate(capture, "photo", [0]), evaluate(both, "photo", [0])
    torch.testing.assert_close(alone.images[0], with_other.images[0])


def test_with_iterations_it_is_refined_on_its_photo(tmp_path: Path) -> None:
    photo = load_photo(EXAMPLE)
    camera = frontal_camera(1.2, 2.0 * photo.width, photo.width, photo.height)
    save_picture(torch.from_numpy(photo.rgb.copy()) / 255, tmp_path / "images" / "a.png")
    write_transforms(tmp_path, [{**frame_entry(camera, "a"), "fg_mask_path": None}])
    capture = read_capture(tmp_path)
    plain, refined = (evaluate(capture, "photo", [0], Options(iterations=n)) for n in (None, 10))
    assert _error_where_drawn(refined, capture, 0) < 0.97 * _error_where_drawn(plain, capture, 0)
