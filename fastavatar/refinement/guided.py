"""Where the refinement of a capture starts: from its points, with the published networks or without them.

capture's points, views ─┬─ W of the views ─ decoder ─▶ Gaussians and their latent   `published`, …
                         └─ discs, colours seen ──────▶ Gaussians                    `direct`, …
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fastavatar.captures import Capture, View
from fastavatar.core import Avatar, Gaussians, Provenance
from fastavatar.errors import InputError, UsageError
from fastavatar.models.choice import choose_model
from fastavatar.models.points import start_from_points
from fastavatar.models.published import (
    LICENCE,
    DecoderLatent,
    DecoderSizes,
    GuidedNetworks,
    LatentFacts,
    OriginFacts,
    PublishedOptions,
    made_up_warnings,
)
from fastavatar.refinement import Config, default_preset, photo_of_view
from fastavatar.weights import Origin

_LICENCE = "as far as the capture is yours to use (MIT code)"


@dataclass(frozen=True)
class Start:
    """What a refinement starts from. With the published networks it is what they predict."""

    gaussians: Gaussians
    """In the capture's frame, on the CPU."""
    latent: DecoderLatent | None = None
    """The latent that the Gaussians are decoded from; None without the published networks."""
    made_up: tuple[str, ...] = ()
    """One sentence for each network whose weights were made up, not trained."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """What the networks were trained on, of those whose files state it."""


def choose_preset(
    asked: str | None, capture: Capture, views: int, cache_dir: Path | None, options: PublishedOptions
) -> tuple[str, str]:
    """Name of the preset or file to use for `views` views of `capture`, and the reason, for the log.

    It is the one `asked` for. Without one it is `published` where `options` name the networks' weights, or
    where the cache holds them and the capture has the number of points they were trained on.
    """
    if asked is not None:
        return asked, "named by the caller"
    given = options.given()
    model, reason = choose_model("auto", cache_dir, given)
    if model != "fastavatar":
        return default_preset(
            views
        ), "the published weights are not in the cache; the configuration published fetches them"
    if not given and (capture.points is None or len(capture.points) != DecoderSizes().gaussians):
        return default_preset(views), "the capture's points are not those the published networks know"
    return default_preset(views, latent=True), reason


def load_networks_for(
    config: Config, device: str, cache_dir: Path | None, offline: bool, options: PublishedOptions
) -> GuidedNetworks | None:
    """The networks that `config` refines; None where it refines Gaussians only.

    Raises `UsageError` for `options` that have no meaning then, and what `load_guided` raises.
    """
    if config.model == "decoder":
        from fastavatar.models.published import load_guided

        return load_guided(device, options, cache_dir=cache_dir, offline=offline)
    if given := options.given():
        raise UsageError(
            f"{', '.join(given)}: only for configurations of the published networks, such as published"
        )
    return None


def start_of(capture: Capture, views: Sequence[View], networks: GuidedNetworks | None) -> Start:
    """What the refinement of `capture` on `views` starts from.

    Raises `InputError` where the capture has no points or not as many as the networks need, and `NoFaceError`
    where no view shows a face that can be recognised.
    """
    if capture.points is None:
        raise InputError(
            f"{capture.folder} has no points to start from: give a PLY of Gaussians as the start"
        )
    if networks is None:
        return Start(start_from_points(capture.points, views))
    photos = [(view.image * 255).round().to(torch.uint8).numpy() for view in views]
    latent = networks.latent(photos, capture.points)
    with torch.no_grad():
        return Start(latent.gaussians().to("cpu"), latent, networks.made_up, networks.origins)


def avatar_at(start: Start, capture: Capture, view: View, seed: int, device: str) -> Avatar:
    """The start of a refinement as an avatar whose photo and camera are those of `view`."""
    photo = photo_of_view(view, capture.folder)
    if start.latent is None:
        made = Provenance("direct", _LICENCE, seed, device)
        return Avatar(start.gaussians, view.camera, photo, None, made)
    made_up = made_up_warnings(start.made_up)
    facts = LatentFacts(tuple(start.latent.w.shape), start.latent.sh_refit, bool(made_up))
    origins = OriginFacts(start.origins)
    licence = origins.licence(2, LICENCE)
    made = Provenance("fastavatar", licence, seed, device, warnings=made_up, facts=(facts, origins))
    return Avatar(start.gaussians, view.camera, photo, None, made, latent=start.latent)
