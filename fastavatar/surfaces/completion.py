"""Colours where no picture shows the surface: continued from what is seen and from the mirror half."""

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, diags
from scipy.sparse.linalg import SuperLU, splu

from fastavatar.geometry import Array, Bools, Ints

_MIRROR_SHARE = 0.9  # of the mirror half's gradients: light often differs between the halves; chosen by eye
FAR_PULL = 1e-3
"""Pull toward a point's far colour, against 1 for each neighbour: felt beyond about thirty points."""
_LEAST_PULL = 1e-6  # keeps the system regular where nothing seen is connected


def complete_colors(
    colors: Array,
    seen: Bools,
    neighbours: csr_matrix,
    mirror: Ints,
    far: Array | None = None,
    pull: Array | float = FAR_PULL,
) -> Array:
    """Colours (N, 3) of all points: `seen` (N,) ones stay, the others continue them over the surface.

    Between two hidden neighbours whose mirror images (`mirror` (N,)) are seen, the colour changes as it does
    there, so that brows, lips and nostrils of the hidden half appear without a seam: gradient-domain blending
    (Pérez et al. 2003) on the symmetric graph `neighbours` (N, N). Elsewhere the colour is harmonic. Far from
    everything seen it tends to `far` (N, 3), where given, with strength `pull` (N,) against 1 for each
    neighbour.
    """
    if seen.all() or not seen.any():
        return colors.copy()
    hidden = np.flatnonzero(~seen)
    if far is None:
        pulls, tends_to = np.full(len(hidden), _LEAST_PULL), colors[seen].mean(0)
    else:
        pulls, tends_to = np.broadcast_to(pull, len(seen))[hidden], far[hidden]
    matrix, known = _equations(colors, seen, neighbours, mirror, pulls)
    completed = colors.copy()
    completed[hidden] = _factors(matrix).solve(known + pulls[:, None] * tends_to)
    return np.clip(completed, 0, 1)


def _factors(matrix: csc_matrix) -> SuperLU:
    """The factors of a symmetric, diagonally dominant matrix (H, H) with few entries in each row."""
    # The diagonal can be the pivot: half the memory of a general LU. Without panels and relaxed supernodes,
    # which pay where factors are denser, half the time
    return splu(
        matrix,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        relax=1,
        panel_size=1,
        options={"SymmetricMode": True},
    )


def _equations(
    colors: Array, seen: Bools, neighbours: csr_matrix, mirror: Ints, pulls: Array
) -> tuple[csc_matrix, Array]:
    """Matrix (H, H) and right side (H, 3), without the far colours, of the equations of the hidden points.

    For each hidden i: (Σ_j w_ij + pull_i) c_i − Σ_hidden w_ij c_j = Σ_seen w_ij c_j + Σ_j w_ij g_ij +
    pull_i far_i. The gradient g_ij is copied from the mirror half; it is 0 where that is not seen.
    """
    hidden = np.flatnonzero(~seen)
    links = neighbours[hidden].tocoo()
    a, b, weight = hidden[links.row], links.col.astype(np.int64), links.data
    both = ~seen[b]
    number = np.full(len(seen), -1)
    number[hidden] = np.arange(len(hidden))
    size = (len(hidden), len(hidden))
    off_diagonal = csr_matrix((weight[both], (links.row[both], number[b[both]])), size)
    matrix = diags(np.bincount(links.row, weight, len(hidden)) + pulls) - off_diagonal

    known = np.zeros((len(a), 3))
    mirrored = seen[mirror[a]] & seen[mirror[b]]
    gradient = colors[mirror[a[mirrored]]] - colors[mirror[b[mirrored]]]
    known[mirrored] = _MIRROR_SHARE * gradient
    known[~both] += colors[b[~both]]
    known *= weight[:, None]
    sums = [np.bincount(links.row, known[:, c], len(hidden)) for c in range(3)]
    return matrix.tocsc(), np.stack(sums, 1)
