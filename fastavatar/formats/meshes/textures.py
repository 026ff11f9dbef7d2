"""Textures of meshes as PNG pictures, and the colours that they give to vertices."""

import io
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.geometry import require_shape
from fastavatar.rendering import texture_colors
from fastavatar.system import opened

MOST_PIXELS = 16384**2
"""The largest texture that graphics cards hold: larger ones are refused before they are decoded."""


def encode_texture(texture: Tensor) -> bytes:
    """A texture (H, W, 3), uint8, as a PNG; the same pixels give the same bytes."""
    require_shape("texture", texture, None, None, 3)
    content = io.BytesIO()
    # Run lengths compress smooth pictures almost as well as a full search, in a third of the time
    Image.fromarray(texture.cpu().numpy()).save(content, "PNG", compress_type=zlib.Z_RLE)
    return content.getvalue()


def read_texture(path: Path) -> Tensor:
    """The picture at `path` as a texture (H, W, 3), uint8; raises `InputError` if it is none or too large."""
    with opened(path) as file:
        try:
            with Image.open(file, formats=("PNG", "JPEG", "BMP", "TGA", "TIFF", "WEBP")) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise InputError(f"cannot read {path}: a texture of {picture.width}×{picture.height} px")
                return torch.from_numpy(np.array(picture.convert("RGB")))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"cannot read {path}: it is no picture, or a damaged one") from error


def colors_of_vertices(mesh: Mesh) -> Tensor | None:
    """(V, 3) sRGB in 0…1: the mesh's own vertex colours, else its texture's; None where it has neither."""
    if mesh.colors is not None or mesh.texture is None or mesh.uv is None:
        return mesh.colors
    uv = mesh.uv
    if mesh.uv_faces is not None:  # on both sides of a seam the texture has one colour: either will do
        uv = torch.zeros(len(mesh.vertices), 2).to(mesh.uv)
        uv[mesh.faces.reshape(-1)] = mesh.uv[mesh.uv_faces.reshape(-1)]
    return texture_colors(mesh.texture, uv).float()
