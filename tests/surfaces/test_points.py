import numpy as np
import pytest

from fastavatar.core import frontal_camera
from fastavatar.geometry import neighbour_graph
from fastavatar.rendering import render
from fastavatar.surfaces.discs import opaque_discs
from fastavatar.surfaces.points import surface_of
from tests.ellipsoids import ellipsoid
from tests.synthetic_capture import RADII_M


def test_normals_point_outward() -> None:
    true = ellipsoid()
    found = surface_of(true.points + [0.3, -0.2, 0.1])
    assert ((found.normals * true.normals).sum(1) > 0.95).all()


def test_neighbours_are_mutual_and_near() -> None:
    graph = neighbour_graph(ellipsoid().points)
    assert abs(graph - graph.T).sum() == 0 and graph.diagonal().sum() == 0
    assert 8 <= graph.sum(1).min() and graph.sum(1).max() < 20


def test_discs_close_the_surface() -> None:
    discs = opaque_discs(ellipsoid(), np.full((600, 3), 0.5))
    camera = frontal_camera(1.0, 160.0, 44, 56)
    shown = render(discs, camera)
    assert shown.alpha[18:38, 14:30].min() > 0.97
    assert float(shown.depth[28, 22]) == pytest.approx(1 - RADII_M[2], abs=0.006)
