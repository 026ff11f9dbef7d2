"""Small videos that the tests make themselves."""

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
BT709 = 1


def write_clip(
    path: Path, frames: Sequence[Rgb], fps: int = 10, rotation_deg: int = 0, codec: str = "libx264"
) -> Path:
    """Write frames (H, W, 3) of one even size; the turn of a phone goes into the container."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=fps, options={"crf": "12", "preset": "fast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        colors = stream.codec_context
        colors.colorspace = colors.color_primaries = colors.color_trc = BT709
        colors.color_range = 1  # limited
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        for rgb in frames:
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            limited = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            container.mux(stream.encode(limited))
        container.mux(stream.encode())
    return path


def write_tone(path: Path, seconds: float, hertz: float = 440.0, rate: int = 44100) -> Path:
    """Write a mono WAV file of one tone."""
    tone = np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((tone * 20000).astype("<i2").tobytes())
    return path
