from .directions import Direction as Direction
from .directions import fit_direction as fit_direction
from .labels import LabelledPeople as LabelledPeople
from .labels import read_labelled as read_labelled
