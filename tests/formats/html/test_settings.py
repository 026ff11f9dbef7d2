import math

import torch

from fastavatar.formats.html.settings import viewer_settings
from fastavatar.rendering.head_view import DISTANCE_M, facing_camera, head_sphere
from tests.formats.splats.storable import storable


def test_the_camera_sways_about_the_head_and_stays_at_its_height() -> None:
    g = storable()
    center, radius_m = head_sphere(g)
    (track,) = viewer_settings(g)["animTracks"]
    keys = track["keyframes"]
    away = torch.tensor(keys["values"]["position"]).reshape(-1, 3) - center
    azimuths = torch.rad2deg(torch.atan2(away[:, 0], away[:, 2]))
    torch.testing.assert_close(away.norm(dim=1), torch.full((len(away),), DISTANCE_M))
    torch.testing.assert_close(away[:, 1], torch.zeros(len(away)))
    assert abs(float(azimuths[0])) < 1e-4
    assert abs(float(azimuths.max()) - 35) < 1e-3 and abs(float(azimuths.min()) + 35) < 1e-3
    assert (keys["times"][-1] + 1) / track["frameRate"] == track["duration"], "after the last key the first"
    assert keys["values"]["target"] == center.tolist() * len(away)


def test_it_begins_where_a_picture_just_holds_the_head() -> None:
    g = storable()
    center, radius_m = head_sphere(g)
    settings = viewer_settings(g)
    (camera,) = settings["cameras"]
    front = facing_camera(center, radius_m, 100)
    assert camera["initial"]["position"] == front.center.tolist()
    half_height = math.tan(math.radians(camera["initial"]["fov"] / 2)) * DISTANCE_M
    assert abs(half_height - radius_m) < 1e-6
    assert set(settings["animTracks"][0]["keyframes"]["values"]["fov"]) == {camera["initial"]["fov"]}
