from .motion import Frame as Frame
from .motion import Motion as Motion
from .motion import still as still
