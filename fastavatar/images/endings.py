"""The file endings that this project takes for photos and for videos; light to import.

Endings decide only which files of a folder are photos, and whether a named file is a video. The kind of a
photo is read from its content, so a file that the user names may have any ending.
"""

from pathlib import Path

PHOTO_ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".heic", ".heif", ".hif", ".avif"),
    *(".tif", ".tiff", ".bmp", ".gif", ".jp2", ".j2k", ".jpf", ".jpx", ".jxl"),
)
"""Endings, in lower case, of the photos that `load_photo` reads."""
VIDEO_ENDINGS = (".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts")
"""Endings, in lower case, of the videos that `VideoFile` reads."""
KNOWN = "JPEG, MPO, PNG, WebP, HEIC, AVIF, TIFF, BMP, GIF, JPEG 2000 or JPEG XL"
"""The kinds of photos, as messages list them."""


def is_photo_name(name: str | Path) -> bool:
    """Whether a file of this name in a folder counts as a photo."""
    return Path(name).suffix.lower() in PHOTO_ENDINGS


def is_video_name(name: str | Path) -> bool:
    """Whether a file of this name is read as a video."""
    return Path(name).suffix.lower() in VIDEO_ENDINGS
