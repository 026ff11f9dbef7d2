from .closing import closed as closed
from .fitted import fitted_mesh as fitted_mesh
from .fitted import follows_head as follows_head
from .seams import levelled as levelled
from .seams import padded as padded
from .texture import draw_texture as draw_texture
from .texture import texture_camera as texture_camera
