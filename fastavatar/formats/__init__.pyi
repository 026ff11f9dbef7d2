from .registry import format_of as format_of
from .registry import holds_mesh as holds_mesh
from .registry import holds_splats as holds_splats
from .registry import mesh_format_of as mesh_format_of
from .registry import read_gaussians as read_gaussians
from .registry import read_mesh as read_mesh
from .registry import write_gaussians as write_gaussians
from .registry import write_mesh as write_mesh
