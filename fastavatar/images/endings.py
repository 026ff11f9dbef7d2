"""The names of files that this project takes as photos and as videos; light to import.

Only listings of folders and the choice between photo and video go by a file's ending. What a photo is shows
in its content, so a file that is named may have any ending.
"""

from pathlib import Path

PHOTO_ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".heic", ".heif", ".hif", ".avif"),
    *(".tif", ".tiff", ".bmp", ".gif", ".jp2", ".j2k", ".jpf", ".jpx", ".jxl"),
)
"""Endings, in lower case, of the photos that `load_photo` reads."""
VIDEO_ENDINGS = (".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts")
"""Endings, in lower case, of the videos that `VideoFile` reads."""
KNOWN = "JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP, GIF, JPEG 2000 or JPEG XL"
"""The kinds of photos as messages list them."""


def is_photo_name(name: str | Path) -> bool:
    """Whether a file of this name is taken for a photo in a folder."""
    return Path(name).suffix.lower() in PHOTO_ENDINGS


def is_video_name(name: str | Path) -> bool:
    """Whether a file of this name is read as a video."""
    return Path(name).suffix.lower() in VIDEO_ENDINGS
