"""The sound of a driving video, encoded again for the video that is written."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

CODECS = {"mp4": "aac", "mov": "aac", "webm": "libopus"}
"""By container: what every player of it plays."""
RATE_HZ = 48000

# Only containers that hold their own sound: FFmpeg's playlists open other files and addresses.
_SAFE = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,wav,mp3,aac,flac,ogg",
    "protocol_whitelist": "file",
}


class Sound:
    """The sound of a file as a further stream of a container that is being written."""

    def __init__(self, av: Any, container: Any, source: Path) -> None:
        """Add the stream, before the container's first packet is written; `source` may have no sound.

        `av` is PyAV, `container` its output.
        """
        self._av, self._container, self._source = av, container, source
        self._pieces: Iterator[Any] = iter(())
        self._waiting: list[Any] = []
        with av.open(str(source), options=_SAFE) as file:
            self._exists = bool(file.streams.audio)
        if self._exists:
            codec = CODECS[container.format.name]
            self._stream = container.add_stream(codec, rate=RATE_HZ, layout="stereo")
            self._stream.codec_context.open()
            self._pieces = self._decoded()
        else:
            log.info("%s has no sound", source)

    def write_until(self, seconds: float) -> None:
        """Write what sounds before a time of the video, so that pictures and sound lie side by side."""
        for piece in chain(self._waiting, self._pieces):
            self._waiting = []
            if float(piece.pts * piece.time_base) >= seconds:
                self._waiting = [piece]
                return
            self._container.mux(self._stream.encode(piece))

    def finish(self, seconds: float) -> None:
        """Write the rest up to the end of the video."""
        self.write_until(seconds)
        if self._exists:
            self._container.mux(self._stream.encode())

    def _decoded(self) -> Iterator[Any]:
        """The sound in frames of the encoder's length; damage ends it with a warning."""
        context = self._stream.codec_context
        resampler = self._av.AudioResampler(context.format, context.layout, RATE_HZ, context.frame_size)
        with self._av.open(str(self._source), options=_SAFE) as file:
            clock = _delay(file)
            try:
                for frame in file.decode(audio=0):
                    frame.pts = None
                    for piece in resampler.resample(frame):
                        piece.pts, piece.time_base = clock, Fraction(1, RATE_HZ)
                        clock += piece.samples
                        yield piece
            except (self._av.error.FFmpegError, ValueError) as error:
                log.warning("the sound of %s ends early: %s", self._source, error)


def _delay(file: Any) -> int:
    """Samples by which the sound of a file begins after its pictures."""
    starts = [
        float((stream.start_time or 0) * stream.time_base)
        for streams in (file.streams.audio, file.streams.video)
        for stream in streams[:1]
    ]
    return max(0, round((starts[0] - starts[-1]) * RATE_HZ))
