from .registry import format_of as format_of
from .registry import read_gaussians as read_gaussians
from .registry import write_gaussians as write_gaussians
