"""How true an avatar is: the protocol that compares it with a capture."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.evaluation.identity import check_identity_if_possible as check_identity_if_possible
    from fastavatar.evaluation.methods import METHODS as METHODS
    from fastavatar.evaluation.methods import Answer as Answer
    from fastavatar.evaluation.methods import Options as Options
    from fastavatar.evaluation.protocol import evaluate as evaluate
    from fastavatar.evaluation.report import Report as Report
    from fastavatar.evaluation.report import contact_sheet as contact_sheet

__getattr__ = lazy_attributes(
    __name__,
    {
        ".identity": ["check_identity_if_possible"],
        ".methods": ["Answer", "METHODS", "Options"],
        ".protocol": ["evaluate"],
        ".report": ["Report", "contact_sheet"],
    },
)
