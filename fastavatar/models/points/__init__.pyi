from .bust import complete_bust as complete_bust
from .cut_line import SLOPE as SLOPE
from .cut_line import CutLine as CutLine
from .cut_line import find_cut_line as find_cut_line
from .shoulders import fit_shoulders as fit_shoulders
from .shoulders import nearest as nearest
from .start import start_from_points as start_from_points
from .symmetry import mirror_of as mirror_of
