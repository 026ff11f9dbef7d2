"""Several photos of one person on the command line, frames of a video included."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastavatar.app.batch import list_photos
from fastavatar.app.cli.numbers import INDICES
from fastavatar.errors import InputError, UsageError
from fastavatar.images import is_video_name

if TYPE_CHECKING:
    from fastavatar.app.settings import Settings
    from fastavatar.core import Photo

_FLAGS = (
    click.option(
        "--subject", is_flag=True, help="All photos of the folder, pattern or list show one person: one head."
    ),
    click.option(
        "--views",
        type=INDICES,
        metavar="N …",
        help="Which photos of one person to use, counted from 0: 0 2 or 0,2 [default: all].",
    ),
)


class TakesViews(click.Command):
    """A command that accepts `--views 0 2` as well as `--views 0,2`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Join the numbers after `--views` before click reads them."""
        if "--views" in args:
            first = args.index("--views") + 1
            last = first
            while last < len(args) and args[last].replace(",", "").isdigit():
                last += 1
            if last > first:
                args = [*args[:first], ",".join(args[first:last]), *args[last:]]
        return super().parse_args(ctx, args)


def several_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that only several photos of one person need."""
    for option in reversed(_FLAGS):
        command = option(command)
    return command


def photos_of_one(
    images: Sequence[str], subject: bool, views: str | None, output_dir: str
) -> list[Path] | None:
    """The files that show one person; None for one file, and for many files of many people.

    Raises `UsageError` for views that are not among them, `InputError` for a folder without photos and for
    one with folders that cannot be read.
    """
    if len(images) == 1 and not subject:
        if views is not None:
            raise UsageError("--views chooses photos of one person: give --image several times, or --subject")
        return None
    named = list(images)
    if subject:
        listings = [list_photos(image, output_dir) for image in images]
        for unread in (place for listing in listings for place in listing.unreadable):
            raise InputError(f"photos may be missing, cannot read {unread}: allow reading it")
        named = [photo for listing in listings for photo in listing.photos]
    return [Path(named[index]) for index in chosen_views(views, len(named), "photos")]


def load_photos(paths: Sequence[str | Path], settings: "Settings") -> "list[Photo]":
    """The photos, and the best frames of each video: only one frame if the model takes one photo.

    Raises what `load_photo` and `choose_frames` raise.
    """
    from fastavatar.images import load_photo

    photos: list[Photo] = []
    for path in map(Path, paths):
        if is_video_name(path):
            from fastavatar.faces import FRAMES, choose_frames

            one = settings.takes_one_photo or settings.face is not None
            photos += choose_frames(path, 1 if one else FRAMES)
        else:
            photos.append(load_photo(path))
    return photos


def chosen_views(views: str | None, count: int, what: str) -> list[int]:
    """Indices of the views to use, each once, in the order given; all of them if `views` is None.

    Raises `UsageError`, which calls them `what`, for an index that is none of `count`.
    """
    if views is None:
        return list(range(count))
    places = [int(text) if text.strip().isdigit() else -1 for text in views.split(",")]
    if not all(0 <= place < count for place in places):
        raise UsageError(f"--views {views}: there are {what} 0 to {count - 1}, as in --views 0,{count - 1}")
    return list(dict.fromkeys(places))
