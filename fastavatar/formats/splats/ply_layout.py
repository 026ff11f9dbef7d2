"""Gaussians ↔ the columns of a 3D Gaussian Splatting PLY.

Source: the writer of Kerbl et al. 2023, whose names and order of columns every viewer follows.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.core import Gaussians, encode_colors
from fastavatar.errors import InputError
from fastavatar.geometry import MAX_DEGREE

REST_PER_CHANNEL = (MAX_DEGREE + 1) ** 2 - 1

MEANS = ("x", "y", "z")
NORMALS = ("nx", "ny", "nz")
SH0 = ("f_dc_0", "f_dc_1", "f_dc_2")
REST = tuple(f"f_rest_{i}" for i in range(3 * REST_PER_CHANNEL))
OPACITY = ("opacity",)
SCALES = ("scale_0", "scale_1", "scale_2")
QUATS = ("rot_0", "rot_1", "rot_2", "rot_3")
RGB = ("red", "green", "blue")
PROPERTIES = (*MEANS, *NORMALS, *SH0, *REST, *OPACITY, *SCALES, *QUATS)
"""The columns in the order of the file. `f_rest` holds all of red, then green, then blue; normals are
zeros."""

UNIT_TOLERANCE = 1e-6
"""A quaternion whose length is this close to 1 is not normalised again: float32 cannot be more exact."""


def to_table(gaussians: Gaussians) -> NDArray[np.float32]:
    """The parameters as a table (N, 62) in the order of `PROPERTIES`, SH padded with zeros."""
    g = gaussians.detach().to("cpu", torch.float32)
    table = torch.zeros(len(g), len(PROPERTIES))

    def columns(names: Sequence[str]) -> Tensor:
        return table.narrow(1, PROPERTIES.index(names[0]), len(names))

    columns(MEANS)[:] = g.means
    columns(SH0)[:] = g.sh[:, 0]
    by_channel = columns(REST).view(len(g), 3, REST_PER_CHANNEL)
    by_channel[:, :, : g.sh.shape[1] - 1] = g.sh[:, 1:].transpose(1, 2)
    columns(OPACITY)[:] = g.opacity_logits[:, None]
    columns(SCALES)[:] = g.log_scales
    columns(QUATS)[:] = g.quats_wxyz
    return table.numpy()


def from_table(columns: Mapping[str, NDArray[np.generic]]) -> Gaussians:
    """Gaussians from columns (N,) by name, of any number type and SH degree; `unread` names ignored columns.

    Bands of spherical harmonics that are all zero are padding and dropped. Colours may be `red`, `green` and
    `blue` instead (an option of nerfstudio). Without `scale_2` (2D Gaussian Splatting) the Gaussians are
    flat. Raises `InputError` when other columns are missing.
    """
    by_rgb = not any(name in columns for name in SH0) and all(name in columns for name in RGB)
    flat = SCALES[-1] not in columns and "scale_1" in columns
    sizes = SCALES[:-1] if flat else SCALES
    needed = (*MEANS, *(RGB if by_rgb else SH0), *OPACITY, *sizes, *QUATS)
    missing = [name for name in needed if name not in columns]
    if missing:
        raise InputError(f"it has no {', '.join(missing)}, so it holds no Gaussians in the 3DGS layout")
    scales = _stack(columns, sizes)
    if flat:
        scales = torch.cat([scales, torch.full((len(scales), 1), -torch.inf)], 1)
    constant = _rgb(columns) if by_rgb else _stack(columns, SH0)
    return Gaussians(
        _stack(columns, MEANS),
        _stack(columns, QUATS),
        scales,
        _stack(columns, OPACITY)[:, 0],
        _without_padding(torch.cat([constant[:, None], _rest(columns)], 1)),
    )


def unread(columns: Iterable[str]) -> tuple[str, ...]:
    """The columns that `from_table` ignores and that may change the picture; normals do not."""
    return tuple(name for name in columns if name not in (*PROPERTIES, *RGB, "alpha"))


def _rgb(columns: Mapping[str, NDArray[np.generic]]) -> Tensor:
    """(N, 3) coefficients of the constant band from colours: 0 to the largest of an unsigned type, or 0…1."""
    ends = [
        2 ** (8 * kind.itemsize) - 1 if kind.kind in "iu" else 1
        for kind in (columns[name].dtype for name in RGB)
    ]
    return encode_colors(_stack(columns, RGB) / torch.tensor(ends, dtype=torch.float32))


def _rest(columns: Mapping[str, NDArray[np.generic]]) -> Tensor:
    """(N, K − 1, 3) coefficients above the constant band."""
    count = sum(name.startswith("f_rest_") for name in columns)
    names = REST[:count]
    if count not in (0, 9, 24, 45) or any(name not in columns for name in names):
        raise InputError(f"it has {count} f_rest properties; SH degrees 0 to 3 have 0, 9, 24 or 45")
    if not names:
        return torch.zeros(len(columns["x"]), 0, 3)
    return _stack(columns, names).reshape(-1, 3, count // 3).transpose(1, 2)


def _without_padding(sh: Tensor) -> Tensor:
    """The coefficients (N, K, 3) up to the last band with a number that is neither zero nor NaN."""
    for used in (1, 4, 9):
        if not bool(sh[:, used:].nan_to_num(0).any()):
            return sh[:, :used].contiguous()
    return sh.contiguous()


def _stack(columns: Mapping[str, NDArray[np.generic]], names: Sequence[str]) -> Tensor:
    with np.errstate(over="ignore"):  # numbers beyond float32 become infinite and are counted later
        return torch.from_numpy(np.stack([columns[name].astype(np.float32) for name in names], 1))


def canonical_quaternions(quats_wxyz: Tensor) -> Tensor:
    """Quaternions (N, 4) scaled to length 1 with w ≥ 0; one of length 0 becomes the identity."""
    length = quats_wxyz.double().norm(dim=1, keepdim=True)
    unit = torch.where((length - 1).abs() <= UNIT_TOLERANCE, quats_wxyz, (quats_wxyz / length).float())
    unit = torch.where(length > 0, unit, torch.tensor([1.0, 0.0, 0.0, 0.0]))
    return torch.where(unit[:, :1] < 0, -unit, unit)
