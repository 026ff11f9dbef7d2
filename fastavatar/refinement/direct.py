"""The model that optimises the Gaussians themselves, without a network.

nodes, one per occupied cell ─ moves, growths ─▶ blended over the Gaussians near them ─┐
Gaussians at the start ────────────────────────────────────────────────────────────────┴─▶ Gaussians
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, identity
from scipy.spatial import cKDTree
from torch import Tensor

from fastavatar.core import Camera, Gaussians
from fastavatar.geometry import Array
from fastavatar.refinement import Config

_NODES_EACH = 12
"""Nodes that a Gaussian follows: on a surface those within about two cells."""
_REACH = 0.7
"""Standard deviation of a node's influence in cells: wide enough that its sum over neighbours is even."""


class DirectModel:
    """The Gaussians at the start plus changes; changes of position and size are smooth in space.

    Positions and sizes follow nodes that lie a cell apart, as in a deformation graph (Sumner et al. 2007), so
    that no gaps open between Gaussians however fine they are. A penalty of the weight of a few pixels pulls
    every parameter back to its start. So what no view sees stays as it is, and what a view barely sees does
    not change to explain what is beside it.
    """

    def __init__(self, start: Gaussians, cameras: Sequence[Camera], config: Config) -> None:
        start = _with_sh_degree(start.detach(), config.sh_degree)
        self._start = {**start.tensors(), "sh0": start.sh[:, :1], "shN": start.sh[:, 1:]}
        weights = node_weights(start.means.double().cpu().numpy(), config.node_spacing_m)
        self._blend, self._gather = (
            _to_torch(matrix, start.means) for matrix in (weights, csr_matrix(weights.T))
        )
        self._values_shown = 3 * sum(camera.width * camera.height for camera in cameras) / len(cameras)
        self._anchors = {name: weight for name, weight in config.anchors.items() if weight > 0}
        at_nodes = start.means.new_zeros(weights.shape[1], 3)
        self.parameters: Mapping[str, Tensor] = {
            name: at_nodes.clone() if name in ("means", "log_scales") else torch.zeros_like(self._start[name])
            for name in ("means", "quats_wxyz", "log_scales", "opacity_logits", "sh0", "shN")
        }

    def gaussians(self) -> Gaussians:
        """The current Gaussians, differentiable with respect to `parameters`."""
        change = self.parameters
        both = torch.cat([change["means"], change["log_scales"]], 1)
        moves, growths = _Blend.apply(self._blend, self._gather, both).split(3, 1)  # type: ignore[no-untyped-call]
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


def node_weights(points: Array, spacing: float) -> csr_matrix:
    """(N, M) how much each of N points (N, 3) follows each of M nodes; rows sum to 1.

    A node lies at the mean of the points in each occupied cell of a grid with that spacing, in the points'
    unit. With spacing 0 every point is a node of its own.
    """
    if spacing == 0:
        return csr_matrix(identity(len(points)))
    _, cell = np.unique(np.floor(points / spacing).astype(np.int64), axis=0, return_inverse=True)
    cell = cell.ravel()
    count = np.bincount(cell)
    nodes = np.stack([np.bincount(cell, axis) / count for axis in points.T], 1)
    each = range(1, min(_NODES_EACH, len(nodes)) + 1)
    distance, nearest = (np.asarray(found) for found in cKDTree(nodes).query(points, k=each))
    # Relative to the nearest node, so that no row vanishes
    weight = np.exp((distance[:, :1] ** 2 - distance**2) / (2 * (_REACH * spacing) ** 2))
    weight /= weight.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), nearest.shape[1])
    return csr_matrix((weight.ravel(), (rows, nearest.ravel())), (len(points), len(nodes)))


class _Blend(torch.autograd.Function):
    """Product with a sparse matrix, whose transpose is given, too: torch's own backward is far slower."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transpose: Tensor, dense: Tensor) -> Tensor:
        ctx.transpose = transpose
        return matrix @ dense

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor]:
        return None, None, ctx.transpose @ gradient


def _to_torch(matrix: csr_matrix, like: Tensor) -> Tensor:
    """A sparse matrix as torch's, of the type and on the device of `like`."""
    matrix.sort_indices()
    rows, columns = (torch.from_numpy(index.astype(np.int64)) for index in (matrix.indptr, matrix.indices))
    values = torch.from_numpy(matrix.data).to(like.dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        found = torch.sparse_csr_tensor(rows, columns, values, matrix.shape, check_invariants=True)
    return found.to(like.device)


def _with_sh_degree(gaussians: Gaussians, degree: int) -> Gaussians:
    """The Gaussians with spherical harmonics of at least `degree`; added coefficients are 0."""
    missing = (degree + 1) ** 2 - gaussians.sh.shape[1]
    if missing <= 0:
        return gaussians
    values = gaussians.tensors()
    more = gaussians.sh.new_zeros(len(gaussians), missing, 3)
    return Gaussians(**{**values, "sh": torch.cat([gaussians.sh, more], 1)})
