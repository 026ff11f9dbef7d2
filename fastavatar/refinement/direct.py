"""The model that optimises the Gaussians themselves, without a network."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags, identity
from torch import Tensor

from fastavatar.core import Camera, Gaussians
from fastavatar.geometry import neighbour_graph
from fastavatar.refinement import Config


class DirectModel:
    """The Gaussians at the start plus changes; changes of position and size are smooth over neighbours.

    A penalty of the weight of a few pixels pulls every parameter back to its start. So Gaussians that no view
    sees stay as they are, and those that a view barely sees do not change to explain what is beside them.
    """

    def __init__(self, start: Gaussians, cameras: Sequence[Camera], config: Config) -> None:
        start = _with_sh_degree(start.detach(), config.sh_degree)
        self._start = {**start.tensors(), "sh0": start.sh[:, :1], "shN": start.sh[:, 1:]}
        self._diffusion, self._steps = _diffusion(start.means), config.smoothing
        self._values_shown = 3 * sum(camera.width * camera.height for camera in cameras) / len(cameras)
        self._anchors = {name: weight for name, weight in config.anchors.items() if weight > 0}
        self.parameters: Mapping[str, Tensor] = {
            name: torch.zeros_like(self._start[name])
            for name in ("means", "quats_wxyz", "log_scales", "opacity_logits", "sh0", "shN")
        }

    def gaussians(self) -> Gaussians:
        """The current Gaussians, differentiable with respect to `parameters`."""
        change = self.parameters
        both = torch.cat([change["means"], change["log_scales"]], 1)
        moves, growths = _Diffusion.apply(self._diffusion, self._steps, both).split(3, 1)  # type: ignore[no-untyped-call]
        return Gaussians(
            self._start["means"] + moves,
            self._start["quats_wxyz"] + change["quats_wxyz"],
            self._start["log_scales"] + growths,
            self._start["opacity_logits"] + change["opacity_logits"],
            torch.cat([self._start["sh0"] + change["sh0"], self._start["shN"] + change["shN"]], 1),
        )

    def penalty(self) -> Tensor:
        """() weighted sum of squared changes, in units of the loss of one pixel."""
        total = torch.zeros((), device=self._start["means"].device)
        for name, weight in self._anchors.items():
            total = total + weight / self._values_shown * self.parameters[name].square().sum()
        return total


class _Diffusion(torch.autograd.Function):
    """Repeated product with a symmetric sparse matrix; its backward is far faster than torch's."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, steps: int, dense: Tensor) -> Tensor:
        ctx.matrix, ctx.steps = matrix, steps
        return _times(matrix, steps, dense)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor]:
        return None, None, _times(ctx.matrix, ctx.steps, gradient)


def _times(matrix: Tensor, steps: int, dense: Tensor) -> Tensor:
    for _ in range(steps):
        dense = matrix @ dense
    return dense


def _with_sh_degree(gaussians: Gaussians, degree: int) -> Gaussians:
    """The Gaussians with spherical harmonics of at least `degree`; added coefficients are 0."""
    missing = (degree + 1) ** 2 - gaussians.sh.shape[1]
    if missing <= 0:
        return gaussians
    values = gaussians.tensors()
    more = gaussians.sh.new_zeros(len(gaussians), missing, 3)
    return Gaussians(**{**values, "sh": torch.cat([gaussians.sh, more], 1)})


def _diffusion(means: Tensor) -> Tensor:
    """(N, N) sparse, symmetric: one step of diffusion between neighbours, (I + D^-½ A D^-½) / 2."""
    graph = neighbour_graph(means.double().cpu().numpy())
    scale = diags(1 / np.sqrt(np.maximum(np.asarray(graph.sum(1)).ravel(), 1)))
    step = csr_matrix(0.5 * (identity(len(means)) + scale @ graph @ scale))
    step.sort_indices()
    rows, columns = (torch.from_numpy(index.astype(np.int64)) for index in (step.indptr, step.indices))
    values = torch.from_numpy(step.data).to(means.dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        matrix = torch.sparse_csr_tensor(rows, columns, values, step.shape, check_invariants=True)
    return matrix.to(means.device)
