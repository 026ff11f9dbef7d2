from .live_link import read_live_link as read_live_link
from .motion import STRAIGHT_AHEAD as STRAIGHT_AHEAD
from .motion import Frame as Frame
from .motion import Motion as Motion
from .motion import still as still
from .timeline import Samples as Samples
from .timeline import within_bounds as within_bounds
from .weights_json import read_weights_json as read_weights_json
