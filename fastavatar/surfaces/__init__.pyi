from .blending import Blend as Blend
from .blending import blend as blend
from .completion import FAR_PULL as FAR_PULL
from .completion import complete_colors as complete_colors
from .discs import opaque_discs as opaque_discs
from .points import Surface as Surface
from .points import surface_of as surface_of
from .seen import colors_in_view as colors_in_view
