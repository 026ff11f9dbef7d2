"""What the commands that move through W share: people read from files, the decoder, heads written as PLY."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from fastavatar.app.cli.options import cache_options, path_option
from fastavatar.app.cli.outputs import require_outputs
from fastavatar.errors import OverwriteError

if TYPE_CHECKING:
    from fastavatar.core import Gaussians
    from fastavatar.models.published import End, FoldedDecoder

log = logging.getLogger(__name__)

_HEADER_BYTES = 8192
"""Our header takes 1.5 kB."""


@dataclass(frozen=True)
class HeadFiles:
    """PLY files that one command writes into one folder, all or none."""

    folder: Path
    names: Sequence[str]
    mark: str
    """A comment in every file, by which later runs of the command know that they may replace it."""
    force: bool
    """Whether files of earlier runs are replaced."""
    frame: Literal["supersplat", "opencv", "head"]
    """Axes of the files."""

    @property
    def targets(self) -> list[Path]:
        """Where the files will lie."""
        return [self.folder / name for name in self.names]

    def require(self, inputs: Iterable[Path]) -> None:
        """Raise, before any work, unless the files may be written: see `require_outputs`.

        Raises `OverwriteError`, too, where one of them is there and this command did not write it.
        """
        require_outputs(self.targets, self.force, inputs)
        for target in filter(Path.exists, self.targets):
            with target.open("rb") as file:
                if f"\ncomment {self.mark}\n".encode() not in file.read(_HEADER_BYTES):
                    raise OverwriteError(
                        f"{target} was not written by this command: move it away, or choose another folder"
                    )

    def write(self, heads: "Iterator[Gaussians]") -> None:
        """Write one head to each file and print the files' paths."""
        from fastavatar.formats.splats import write_ply
        from fastavatar.results import staged
        from fastavatar.system import refusals_in_one_line

        replaced = self.names if self.force else ()
        with refusals_in_one_line(self.folder), staged(self.folder, replaced) as staging:
            for name, gaussians in zip(self.names, heads, strict=True):
                write_ply(gaussians, staging / name, self.frame, [self.mark])
        for target in self.targets:
            click.echo(target)


def heads_options(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--output_dir` with its default, and the flags of decoder, cache and PLY files."""
    frames = click.Choice(["supersplat", "opencv", "head"])
    options = (
        path_option("--output_dir", "Where the PLY files go.", default=default, show_default=True),
        path_option("--decoder_checkpoint", "Decoder of the published networks [default: from the cache]."),
        cache_options,
        click.option(
            "--frame", type=frames, default="supersplat", show_default=True, help="Axes of the PLY files."
        ),
        click.option("--force", is_flag=True, help="Replace files that exist."),
    )

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


@dataclass(frozen=True)
class OpenDecoder:
    """The published decoder, read from its file."""

    folded: "FoldedDecoder"

    @property
    def w_size(self) -> int:
        """Length of the W that the decoder takes."""
        return self.folded.w_weight.shape[1]

    def person(self, path: Path) -> "End":
        """W, and the points if there are any, from a results folder or a .npy file."""
        import torch

        from fastavatar.models.published import End
        from fastavatar.weights import read_array, read_vector

        file, points_file = path / "w_vector.npy" if path.is_dir() else path, path / "dino_points.npy"
        w = torch.from_numpy(read_vector(file, self.w_size, "W vector"))[None]
        if not path.is_dir() or not points_file.exists():
            return End(w)
        shape = (len(self.folded.from_embeddings), 3)
        return End(w, torch.from_numpy(read_array(points_file, "points", (shape,))))


def open_decoder(checkpoint: Path | None, cache_dir: Path | None, offline: bool) -> OpenDecoder:
    """The decoder in `checkpoint`, by default the cached one; the log says where its numbers are made up."""
    import torch

    from fastavatar.models.published import fold, load_decoder, require_networks
    from fastavatar.system import cache_folder
    from fastavatar.weights import ensure, read_checkpoint

    path = checkpoint or ensure(cache_folder(cache_dir), offline, require_networks).decoder
    file = read_checkpoint(path)
    with torch.inference_mode():
        decoder = fold(load_decoder(file.state, str(path), frozen=True))
    if file.made_up:
        log.warning(
            "MADE-UP WEIGHTS: these heads show no real people, because the decoder holds %s", file.made_up
        )
    return OpenDecoder(decoder)


def files_of_person(path: Path) -> list[Path]:
    """The files that `OpenDecoder.person` reads."""
    return [path / name for name in ("w_vector.npy", "dino_points.npy")] if path.is_dir() else [path]
