"""From views of a capture to a refined avatar: what `fastavatar refine` does.

capture ─ start ─▶ Gaussians or W ─ refine ⇄ views ─▶ Avatar
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fastavatar.errors import UsageError
from fastavatar.models.published import PublishedOptions

if TYPE_CHECKING:
    from fastavatar.captures import Capture, View
    from fastavatar.core import Avatar
    from fastavatar.formats.splats import Frame
    from fastavatar.optimise import Progress
    from fastavatar.refinement import Config, Start

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaptureSettings:
    """The choices of a user for a refinement on views of a capture."""

    inputs: Sequence[int] | None = None
    """Indices of the views to refine on; None takes all."""
    start: Path | None = None
    """A PLY in the capture's frame to start from; None starts from the capture's points."""
    start_frame: "Frame" = "head"
    """Axes of `start`."""
    config: str | None = None
    """A preset or a YAML file; None chooses a preset by the capture and the weights in the cache."""
    iterations: int | None = None
    """Number of steps; None takes the configuration's."""
    seconds: float | None = None
    """Time limit of the steps in seconds; None sets none."""
    device: str = "cpu"
    """Where to compute."""
    seed: int = 0
    """Random seed of the order of the views."""
    cache_dir: Path | None = None
    """Folder of the weights; None takes the user's own."""
    offline: bool = False
    """Whether downloads are forbidden."""
    published: PublishedOptions = field(default_factory=PublishedOptions)
    """Options of the published networks."""


class CaptureRefinement:
    """A refinement that is ready to run: the views are read, the configuration is chosen and checked."""

    def __init__(self, capture: "Capture", settings: CaptureSettings) -> None:
        """Choose the configuration.

        Raises `UsageError` for a view that the capture does not have and for a start that does not fit the
        configuration, and what `load_config` raises.
        """
        from fastavatar.refinement import choose_preset, default_preset, load_config

        self.capture, self.settings = capture, settings
        self.views = _chosen(capture, settings.inputs)
        asked = settings.config
        if settings.start is None:
            self.preset, self.reason = choose_preset(
                asked, capture, len(self.views), settings.cache_dir, settings.published
            )
        else:
            self.preset, self.reason = asked or default_preset(len(self.views)), "a start was given"
        self.config: Config = load_config(self.preset).overridden(iterations=settings.iterations)
        if settings.start is not None and self.config.model == "decoder":
            raise UsageError(f"{self.preset} starts from W and the capture's points: it takes no other start")
        log.info("configuration %s: %s", self.preset, self.reason)

    def run(self, on_step: "Callable[[Progress], None] | None" = None) -> "Avatar":
        """The refined avatar, with the camera of the first view; `on_step` is called after every step.

        Raises what `load_networks_for`, `start_of`, `read_ply` and `refine` raise.
        """
        from fastavatar.refinement import avatar_at, refine

        settings = self.settings
        start = self._start()
        avatar = avatar_at(start, self.capture, self.views[0], settings.seed, settings.device)
        for warning in avatar.provenance.warnings:
            log.warning("%s", warning)
        return refine(
            avatar,
            self.views,
            self.config,
            seconds=settings.seconds,
            seed=settings.seed,
            device=settings.device,
            on_step=on_step,
        )

    def _start(self) -> "Start":
        from fastavatar.formats.splats import read_ply
        from fastavatar.refinement import Start, load_networks_for, start_of

        settings = self.settings
        networks = load_networks_for(
            self.config, settings.device, settings.cache_dir, settings.offline, settings.published
        )
        if settings.start is None:
            return start_of(self.capture, self.views, networks)
        return Start(read_ply(settings.start, frame=settings.start_frame))


def _chosen(capture: "Capture", inputs: Sequence[int] | None) -> "list[View]":
    """The views with these indices, each once; all views for None."""
    count = len(capture.views)
    indices = range(count) if inputs is None else list(dict.fromkeys(inputs))
    missing = [index for index in indices if not 0 <= index < count]
    if missing:
        raise UsageError(f"input view {missing[0]}: {capture.folder} has views 0 to {count - 1}")
    return [capture.views[index] for index in indices]
