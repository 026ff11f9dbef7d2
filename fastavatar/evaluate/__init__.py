"""How true an avatar is: metrics, and the protocol that compares it with a capture."""

from fastavatar.evaluate.answers import Answer as Answer
from fastavatar.evaluate.answers import Options as Options
from fastavatar.evaluate.methods import METHODS as METHODS
from fastavatar.evaluate.protocol import evaluate as evaluate
from fastavatar.evaluate.report import Report as Report
