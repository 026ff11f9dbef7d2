"""The avatar that every predictor returns: Gaussians, the photo's camera, and their provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Binding, Camera, Face, Gaussians, HeadParameters, Mesh, Photo
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
        """A copy on `device` that shares no memory with the original."""


class Facts(Protocol):
    """Facts that one step, such as a model or a refinement, adds to an avatar's summary."""

    def for_summary(self) -> Mapping[str, object]:
        """Fields of `summary.json`, JSON-ready; they must not have the names of fields of every summary."""


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
    """Warnings for the user about this result, one sentence each."""
    facts: tuple[Facts, ...] = ()
    """The facts of each step for the summary; at most one of each kind."""

    def fact(self, kind: type[AnyFacts]) -> AnyFacts | None:
        """The facts of that class; None if no step stated any."""
        return next((found for found in self.facts if isinstance(found, kind)), None)

    def with_facts(self, new: Facts, warnings: Sequence[str] = ()) -> "Provenance":
        """A copy with further facts, which replace those of their class, and further warnings."""
        others = tuple(found for found in self.facts if type(found) is not type(new))
        return replace(self, facts=(*others, new), warnings=(*self.warnings, *warnings))


@dataclass(frozen=True)
class Avatar:
    """A head as Gaussians, and everything needed to show and explain it."""

    gaussians: Gaussians
    """The head, in the head frame."""
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
    """Further photos of the person from which the avatar was made, with their cameras."""
    mesh: Mesh | None = None
    """The mesh that the model fitted to the photo; None if the model fits none."""
    binding: Binding | None = None
    """The point on `mesh` to which each Gaussian is bound; None without a mesh."""
    head: HeadParameters | None = None
    """The parametric head that `mesh` follows; None if the model fits none."""
    latent: Latent | None = None
    """The code that the Gaussians are decoded from; None if no network decoded them or they changed since."""

    def __post_init__(self) -> None:
        """Check that mesh and binding fit the Gaussians; raises `InputError`."""
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

        `outputs` chooses the files; `run` has facts for the summary that only the caller knows. With
        `overwrite`, results of an earlier run are replaced. Raises `OverwriteError` for existing results when
        `overwrite` is off, and for files that no run wrote; `UsageError` when `folder` is a file or a result
        would overwrite the photo; `FastAvatarError` when the file system refuses.
        """
        from fastavatar.results import write_results

        return write_results(self, Path(folder), overwrite, outputs, run)
