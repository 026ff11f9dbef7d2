"""Surface points of a capture and its views to an avatar."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.models.points.start import start_from_points as start_from_points

__getattr__ = lazy_attributes(
    __name__,
    {
        ".start": ["start_from_points"],
    },
)
