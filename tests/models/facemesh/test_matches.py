import numpy as np
from scipy.ndimage import gaussian_filter, shift

from fastavatar.models.facemesh.matches import correlations, peaks, tangents


def test_a_shifted_patch_is_found_to_a_fraction_of_a_step() -> None:
    rng = np.random.default_rng(0)
    large = np.stack([gaussian_filter(rng.normal(size=(29, 29)), 1.5) for _ in range(20)])
    moved = rng.uniform(-3, 3, (20, 2))
    small = np.stack([shift(image, move, order=3) for image, move in zip(large, moved, strict=True)])
    brighter = 0.2 + 3 * small[:, 8:21, 8:21]
    found, at, alike, bend = peaks(correlations(brighter, large))
    assert len(found) == 20 and alike.min() > 0.9
    np.testing.assert_allclose(at - 8, -moved, atol=0.15)
    assert (np.linalg.eigvalsh(bend) > 0).all()


def test_along_an_edge_nothing_is_known() -> None:
    step = np.tile(np.where(np.arange(29) < 14, 0.0, 1.0)[:, None], (1, 29))
    edge = gaussian_filter(step, 1.0)[None] + 1e-4 * np.random.default_rng(0).normal(size=(1, 29, 29))
    _, _, _, bend = peaks(correlations(edge[:, 8:21, 8:21], edge))
    assert bend[0, 0, 0] > 50 * abs(bend[0, 1, 1])


def test_a_peak_on_the_rim_is_none() -> None:
    values = np.zeros((2, 9, 9))
    values[0, 0, 4] = values[1, 4, 5] = 1
    assert peaks(values)[0].tolist() == [1]


def test_tangents_lie_along_the_surface() -> None:
    normals = np.random.default_rng(0).normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    axes = tangents(normals)
    np.testing.assert_allclose(np.einsum("nki,ni->nk", axes, normals), 0, atol=1e-12)
    np.testing.assert_allclose(
        np.einsum("nki,nli->nkl", axes, axes), np.tile(np.eye(2), (50, 1, 1)), atol=1e-12
    )
