from .files import SAMPLES as SAMPLES
from .files import read_samples as read_samples
from .files import write_samples as write_samples
from .samples import COUNT as COUNT
from .samples import PointSet as PointSet
from .samples import SurfaceSamples as SurfaceSamples
from .samples import sample_surface as sample_surface
