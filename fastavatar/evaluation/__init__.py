"""How true an avatar is: metrics, and the protocol that compares it with a capture."""

from fastavatar.evaluation.answers import Answer as Answer
from fastavatar.evaluation.answers import Options as Options
from fastavatar.evaluation.methods import METHODS as METHODS
from fastavatar.evaluation.protocol import evaluate as evaluate
from fastavatar.evaluation.report import Report as Report
