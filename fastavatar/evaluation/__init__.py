"""How true an avatar is: the protocol that compares it with a capture."""

from fastavatar.evaluation.methods import METHODS as METHODS
from fastavatar.evaluation.methods import Answer as Answer
from fastavatar.evaluation.methods import Options as Options
from fastavatar.evaluation.protocol import evaluate as evaluate
from fastavatar.evaluation.report import Report as Report
from fastavatar.evaluation.report import contact_sheet as contact_sheet
