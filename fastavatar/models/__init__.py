"""Models that turn a photo into an `Avatar`."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

from fastavatar.errors import UsageError
from fastavatar.models.devices import drawing_device as drawing_device
from fastavatar.models.devices import require_device as require_device

if TYPE_CHECKING:
    from fastavatar.core import Avatar, Photo

ModelName = Literal[
    "facemesh",  # the embedded model: no download, free for any use
    "fastavatar",  # the published networks: weights and face pack needed
    "surface",  # signed distance by a network trained here: its checkpoint needed
    "views",  # oriented points from any number of photos by a network trained here: its checkpoint needed
]


class Predictor(Protocol):
    """A loaded model."""

    def predict(self, photo: "Photo", face: int | None = None) -> "Avatar":
        """The avatar of the face with index `face`, counted from the left from 0; by default of the largest.

        Raises `NoFaceError` where there is no such face.
        """


@runtime_checkable
class TakesMany(Protocol):
    """A predictor whose networks process many photos at once."""

    def predict_many(self, photos: "Sequence[Photo]", face: int | None = None) -> "list[Avatar | Exception]":
        """The avatar of each photo, or what `predict` would raise for it."""


@runtime_checkable
class TakesSeveral(Protocol):
    """A predictor that makes one head from several photos of one person."""

    def predict_several(self, photos: "Sequence[Photo]") -> "Avatar":
        """One avatar of the person whom all photos show, taken from the largest face of each.

        Raises `NoFaceError`, which names the photo, where one shows no face.
        """


def load_predictor(name: ModelName, device: str = "cpu", **options: Any) -> Predictor:
    """A model, loaded on `device`: `cpu`, `cuda`, `cuda:N` or `mps`.

    On `mps`, Metal on a Mac, only the published networks run; avatars are on the CPU then.

    The option of `facemesh` is `seed`; `surface` and `views` also take `checkpoint`; those of `fastavatar`
    are `seed`, `cache_dir`, `offline` and the fields of `PublishedOptions`. Raises `UsageError` for an
    unknown name and without a checkpoint, `DeviceError` where this machine has no such device, and what
    loading the model raises.
    """
    if name not in get_args(ModelName):
        raise UsageError(f"there is no model {name!r}: use {' or '.join(get_args(ModelName))}")
    require_device(device)
    if name == "facemesh":
        from fastavatar.models.facemesh import FaceMeshPredictor

        return FaceMeshPredictor(drawing_device(device), **options)
    if name == "surface":
        from fastavatar.models.surface import SurfacePredictor

        if options.get("checkpoint") is None:
            raise UsageError("the model surface needs a checkpoint: `fastavatar train surface` makes one")
        return SurfacePredictor(device=drawing_device(device), **options)
    if name == "views":
        from fastavatar.models.views import ViewsPredictor

        if options.get("checkpoint") is None:
            raise UsageError("the model views needs a checkpoint: `fastavatar train views` makes one")
        return ViewsPredictor(device=drawing_device(device), **options)
    from fastavatar.models.published import PublishedOptions, load

    published = {
        field.name: options.pop(field.name) for field in fields(PublishedOptions) if field.name in options
    }
    return load(device, PublishedOptions(**published), **options)
