"""Surfaces given by points: their colours in pictures, blended and completed, and discs that cover them."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.surfaces.blending import Blend as Blend
    from fastavatar.surfaces.blending import blend as blend
    from fastavatar.surfaces.completion import FAR_PULL as FAR_PULL
    from fastavatar.surfaces.completion import complete_colors as complete_colors
    from fastavatar.surfaces.discs import opaque_discs as opaque_discs
    from fastavatar.surfaces.points import Surface as Surface
    from fastavatar.surfaces.points import surface_of as surface_of
    from fastavatar.surfaces.seen import colors_in_view as colors_in_view

__getattr__ = lazy_attributes(
    __name__,
    {
        ".blending": ["Blend", "blend"],
        ".completion": ["FAR_PULL", "complete_colors"],
        ".discs": ["opaque_discs"],
        ".points": ["Surface", "surface_of"],
        ".seen": ["colors_in_view"],
    },
)
