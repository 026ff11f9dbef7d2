import numpy as np

from fastavatar.app.points import Choice, described, place
from fastavatar.formats import Cloud
from fastavatar.surfaces import CloudSamples


def cloud(shift: float = 0.0, distances: bool = True) -> Cloud:
    grid = (
        np.stack(np.meshgrid(*[np.linspace(-0.1, 0.1, 5)] * 3), -1).reshape(-1, 3).astype(np.float32) + shift
    )
    d = np.linspace(-0.02, 0.02, len(grid)).astype(np.float32) if distances else None
    normals = np.tile(np.array([0, 1, 0], np.float32), (len(grid), 1))
    return {"near": CloudSamples(grid, d, normals), "far": CloudSamples(10 * grid, d, normals)}


def test_truth_and_estimate_stand_side_by_side() -> None:
    placed = place({"truth": cloud(), "estimate": cloud()}, Choice())
    assert placed["truth"].bounds[1][0] < placed["estimate"].bounds[0][0]
    assert placed["truth"].shift[0] == -placed["estimate"].shift[0]


def test_one_alone_stands_in_the_middle() -> None:
    placed = place({"truth": cloud(), "estimate": cloud()}, Choice(sides=("estimate",)))
    assert list(placed) == ["estimate"] and placed["estimate"].shift == (0, 0, 0)


def test_near_far_or_both() -> None:
    sizes = {
        part: np.ptp(place({"truth": cloud()}, Choice(part=part))["truth"].points) for part in ("near", "far")
    }
    assert sizes["far"] > 9 * sizes["near"]
    assert len(place({"truth": cloud()}, Choice(part="both"))["truth"].points) == 250


def test_points_without_parts_are_always_shown() -> None:
    plain = {"points": cloud()["near"]}
    assert len(place({"truth": plain}, Choice(part="far"))["truth"].points) == 125


def test_projection_moves_points_along_their_normals() -> None:
    placed = place({"truth": cloud()}, Choice(projected=True))["truth"].points
    near = cloud()["near"]
    assert near.distances is not None
    assert np.allclose(placed[:, 1], near.points[:, 1] - near.distances) and np.array_equal(
        placed[:, 0], near.points[:, 0]
    )


def test_density_keeps_a_share() -> None:
    assert len(place({"truth": cloud()}, Choice(share=0.2))["truth"].points) == 25


def test_both_have_one_scale_of_distances() -> None:
    wide = {"near": CloudSamples(cloud()["near"].points, 10 * np.asarray(cloud()["near"].distances))}
    placed = place({"truth": cloud(), "estimate": wide}, Choice(coloring="distance"))
    # The same distance has the same colour: the truth's largest, 20 mm, is a tenth of the estimate's
    assert placed["truth"].colors[-1].min() > 200 > 50 > placed["estimate"].colors[-1].min()


def test_the_note_counts_points_and_explains_colours() -> None:
    clouds = {"truth": cloud(), "estimate": cloud(distances=False)}
    choice = Choice(coloring="inside")
    said = described(clouds, place(clouds, choice), choice)
    assert "**truth**: 62 of 250 points" in said and "its distances are unknown: grey" in said
    assert "20 mm inside" in said


def test_no_point_inside_is_no_error() -> None:
    outside = {"near": CloudSamples(np.zeros((3, 3), np.float32), np.ones(3, np.float32))}
    choice = Choice(coloring="inside")
    placed = place({"truth": outside}, choice)
    assert placed == {} and "0 of 3" in described({"truth": outside}, placed, choice)
