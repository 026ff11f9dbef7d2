import numpy as np

from fastavatar.geometry import inside_polygon


def test_inside_is_what_a_loop_encloses() -> None:
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    points = np.array([[0.5, 0.5], [0.1, 0.9], [1.1, 0.5], [0.5, -0.2], [-1, 0.5]])
    assert inside_polygon(points, square).tolist() == [True, True, False, False, False]
    assert inside_polygon(points, square[::-1]).tolist() == [True, True, False, False, False]
