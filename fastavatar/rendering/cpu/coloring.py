"""What Gaussians of fixed shapes show in one picture, as a linear map of their colours: image = W·colours.

W holds how much of each pixel each Gaussian is. Gaussians whose colours alone change are projected and sorted
once.
"""

import numpy as np
from scipy.sparse import csc_matrix

from fastavatar.core import Camera, Gaussians
from fastavatar.rendering import (
    BLUE,
    RED,
    Floats,
    draw,
    gather_pixels,
    make_frame,
    run_kernel,
    thread_count,
)

_BLACK: Floats = np.zeros(3, np.float32)


class Coloring:
    """N Gaussians as a camera sees them over black, on the CPU."""

    def __init__(self, gaussians: Gaussians, camera: Camera, threads: int | None = None) -> None:
        """Project and sort the Gaussians; see `render` for `threads` and what is raised."""
        self._threads = thread_count(threads)
        self._frame = make_frame(camera, gaussians.tensors().values(), self._threads)
        # One column for each pair of a splat and a tile that it touches
        pairs = self._frame.lists.indices
        ones = np.ones(len(pairs), np.float32)
        self._sum = csc_matrix((ones, pairs, np.arange(len(pairs) + 1)), (len(gaussians), len(pairs)))

    def picture(self, colors: Floats) -> tuple[Floats, Floats]:
        """The image (H, W, 3), W·colours, and alpha (H, W), for colours (N, 3), sRGB in 0…1."""
        self._frame.lists.splats[:, RED : BLUE + 1] = colors
        drawn = draw(self._frame, _BLACK, self._threads)
        return drawn.image, drawn.alpha

    def gathered(self, image: Floats) -> tuple[Floats, Floats]:
        """Wᵀ·image (N, 3), sums of the pixels of (H, W, 3), and Wᵀ·1 (N, 1), how many each Gaussian is."""
        lists = self._frame.lists
        sums = np.empty((len(lists.indices), 4), np.float32)
        run_kernel(self._threads, lambda counter: gather_pixels(counter, lists, image, sums))
        whole = self._sum @ sums
        return whole[:, :3], whole[:, 3:]
