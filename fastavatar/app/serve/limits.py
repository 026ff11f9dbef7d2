"""What a server takes, and how long it keeps it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one server, whoever calls."""

    keep_minutes: float = 30.0
    """From the end of a job until its results are deleted."""
    max_megabytes: float = 50.0
    """Of one photo as a file; 1 MB is 10⁶ bytes."""
    max_megapixels: float = 50.0
    """Of one photo; its decoding takes about 12 bytes a pixel."""
    max_waiting: int = 64
    """Jobs in the queue."""
    upload_seconds: float = 120.0
    """For one photo to arrive."""

    @property
    def max_bytes(self) -> int:
        """Of one photo as a file."""
        return int(self.max_megabytes * 1e6)

    @property
    def max_pixels(self) -> int:
        """Of one photo."""
        return int(self.max_megapixels * 1e6)
