"""Undamaged files that the attacks start from."""

import io
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fastavatar.core import Gaussians

ROOT = Path(__file__).parents[2]
PORTRAIT = ROOT / "data" / "example.png"
SPLAT_ENDINGS = (".ply", ".compressed.ply", ".npz", ".splat", ".spz", ".sog")


def photos() -> dict[str, bytes]:
    """The example portrait, small, in every format and many modes."""
    picture = Image.open(PORTRAIT).convert("RGB").resize((160, 160))
    palette, alpha = picture.quantize(16), picture.convert("RGBA")
    exif = Image.Exif()
    exif[0x0112] = 6
    several: dict[str, Any] = {"save_all": True, "append_images": [picture.rotate(5)]}
    return {
        ".jpg": _saved(picture, "JPEG", exif=exif.tobytes()),
        ".cmyk.jpg": _saved(picture.convert("CMYK"), "JPEG"),
        ".mpo": _saved(picture, "MPO", **several),
        ".png": _saved(picture, "PNG"),
        ".palette.png": _saved(palette, "PNG", transparency=b"\0\x80"),
        ".gray.png": _saved(picture.convert("I;16"), "PNG"),
        ".webp": _saved(alpha, "WEBP"),
        ".tiff": _saved(picture, "TIFF", compression="tiff_lzw"),
        ".bmp": _saved(picture, "BMP"),
        ".gif": _saved(palette, "GIF", **several),
        ".jp2": _saved(picture, "JPEG2000"),
        ".avif": _saved(picture, "AVIF"),
        ".heic": _saved(picture, "HEIF"),
    }


def splats(folder: Path) -> dict[str, bytes]:
    """Three hundred Gaussians in every format that can be written and read."""
    from fastavatar.formats.registry import write_gaussians

    rng = np.random.default_rng(0)
    count = 300
    gaussians = Gaussians(
        torch.from_numpy(0.1 * rng.normal(size=(count, 3))).float(),
        torch.from_numpy(rng.normal(size=(count, 4))).float(),
        torch.from_numpy(rng.uniform(-6, -4, (count, 3))).float(),
        torch.from_numpy(rng.normal(size=count)).float(),
        torch.from_numpy(0.3 * rng.normal(size=(count, 16, 3))).float(),
    )
    found = {}
    for ending in SPLAT_ENDINGS:
        path = folder / f"sound{ending}"
        write_gaussians(gaussians, path)
        found[ending] = path.read_bytes()
    return found


def checkpoints() -> dict[str, bytes]:
    """Small checkpoints of three kinds, a zip file of two as the weights are published, and a vector."""
    from safetensors.torch import save as save_safetensors

    generator = torch.Generator().manual_seed(0)
    state = {f"layer.{i}.weight": torch.randn(8, 8, generator=generator) for i in range(4)}
    holds = {"model_dict": state, "epoch": 3}
    zipped, plain, archive, vector = (io.BytesIO() for _ in range(4))
    torch.save(holds, zipped)
    torch.save(holds, plain, _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        for name in ("encoder_neutral_flame.pth", "decoder_neutral_flame.pth"):
            members.writestr(f"weights/{name}", zipped.getvalue())
    np.save(vector, np.zeros(512, np.float32))
    return {
        ".pth": zipped.getvalue(),
        ".old.pth": plain.getvalue(),
        ".safetensors": save_safetensors(state),
        ".zip": archive.getvalue(),
        ".npy": vector.getvalue(),
    }


def pick(sources: dict[str, bytes], rng: random.Random) -> tuple[str, bytes]:
    """Ending and content of one of the sources."""
    ending = rng.choice(sorted(sources))
    return ending, sources[ending]


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    if kind in ("HEIF", "AVIF"):
        import pillow_heif

        pillow_heif.register_heif_opener()
    made = io.BytesIO()
    picture.save(made, kind, **options)
    return made.getvalue()
