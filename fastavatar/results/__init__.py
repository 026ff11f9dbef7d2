"""A folder of results: preview, summary, turntable, all or nothing; and whose files are in it."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.results.folder import require_writable as require_writable
    from fastavatar.results.folder import write_results as write_results
    from fastavatar.results.outputs import Outputs as Outputs
    from fastavatar.results.ownership import ResultsExist as ResultsExist
    from fastavatar.results.ownership import is_complete as is_complete
    from fastavatar.results.ownership import own_results as own_results
    from fastavatar.results.ownership import places_of_results as places_of_results
    from fastavatar.results.ownership import require_apart as require_apart
    from fastavatar.results.ownership import require_replaceable as require_replaceable
    from fastavatar.results.summary import Run as Run

__getattr__ = lazy_attributes(
    __name__,
    {
        ".folder": ["require_writable", "write_results"],
        ".outputs": ["Outputs"],
        ".ownership": [
            "ResultsExist",
            "is_complete",
            "own_results",
            "places_of_results",
            "require_apart",
            "require_replaceable",
        ],
        ".summary": ["Run"],
    },
)
