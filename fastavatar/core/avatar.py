"""What every predictor returns: Gaussians, the camera that saw the photo, and how they were made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Binding, Camera, Face, Gaussians, Mesh, Photo
from fastavatar.errors import InputError

if TYPE_CHECKING:
    from fastavatar.results import Outputs, Run


class Latent(Protocol):
    """The code from which a network decodes the Gaussians, kept so that refinement can change it."""

    @property
    def w(self) -> torch.Tensor:
        """(1, C) the code."""

    def gaussians(self) -> Gaussians:
        """The decoded Gaussians, differentiable with respect to the code."""

    def copied(self, device: torch.device | str) -> Self:
        """A copy on `device` that shares no memory with this."""


class Facts(Protocol):
    """What one step of the work, such as a model or a refinement, adds to an avatar's summary."""

    def for_summary(self) -> Mapping[str, object]:
        """Fields of `summary.json`, JSON-ready; they cannot replace a field that all summaries have."""


AnyFacts = TypeVar("AnyFacts", bound=Facts)


@dataclass(frozen=True)
class Provenance:
    """How an avatar was made, for its summary."""

    model: str
    """`facemesh` or `fastavatar`."""
    licence: str
    """What the result may be used for, in one sentence."""
    seed: int
    """Seed of every random choice."""
    device: str
    """Device the networks ran on."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall-clock seconds per stage, in order."""
    warnings: tuple[str, ...] = ()
    """What a user should know about this result, one sentence each."""
    facts: tuple[Facts, ...] = ()
    """What each step adds to the summary; at most one of each kind."""

    def fact(self, kind: type[AnyFacts]) -> AnyFacts | None:
        """The facts of that kind; None where no step stated them."""
        return next((found for found in self.facts if isinstance(found, kind)), None)

    def with_facts(self, new: Facts, warnings: Sequence[str] = ()) -> "Provenance":
        """The same with further facts, which replace those of their kind, and further warnings."""
        others = tuple(found for found in self.facts if type(found) is not type(new))
        return replace(self, facts=(*others, new), warnings=(*self.warnings, *warnings))


@dataclass(frozen=True)
class Avatar:
    """A head, and everything needed to show and explain it."""

    gaussians: Gaussians
    """In the head frame."""
    camera: Camera
    """The camera that saw the photo, at the photo's size; its `world_to_camera` is the head's pose."""
    photo: Photo
    """The photo, upright."""
    face: Face | None
    """The face in the photo that the avatar is of; None where no face finder ran."""
    provenance: Provenance
    arrays: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Further arrays of this model, each saved as `<name>.npy`."""
    others: tuple[tuple[Photo, Camera], ...] = ()
    """Further photos of the same person that the avatar was made from, and the cameras that saw them."""
    mesh: Mesh | None = None
    """The head that the model fitted to the photo; None where the model fits none."""
    binding: Binding | None = None
    """Where on `mesh` each Gaussian is held; None without a mesh."""
    latent: Latent | None = None
    """The code that the Gaussians are decoded from; None if no network decoded them or they changed since."""

    def __post_init__(self) -> None:
        """Check that every Gaussian is bound, to a mesh that is there."""
        if self.binding is None:
            return
        if self.mesh is None or len(self.binding) != len(self.gaussians):
            raise InputError(
                f"{len(self.gaussians)} Gaussians need a mesh and as many bindings, found "
                f"{len(self.binding)} and {'no' if self.mesh is None else 'a'} mesh"
            )

    def save(
        self,
        folder: str | Path,
        overwrite: bool = False,
        *,
        outputs: "Outputs | None" = None,
        run: "Run | None" = None,
    ) -> Path:
        """Write every output file into `folder`, all or nothing, and return it.

        `outputs` says which files; `run` carries what only the caller knows into the summary. With
        `overwrite`, results of an earlier run are replaced. Raises `OverwriteError` when results are there
        and `overwrite` is off, or when something is in their place that no run wrote; `UsageError` when
        `folder` is a file or a result would overwrite the photo; `FastAvatarError` when the file system
        refuses.
        """
        from fastavatar.results import write_results

        return write_results(self, Path(folder), overwrite, outputs, run)
