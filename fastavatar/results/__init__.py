"""A folder of results: preview, summary, turntable, all or nothing; and whose files are in it."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.results.film import FPS as FPS
    from fastavatar.results.film import draw_depth_film as draw_depth_film
    from fastavatar.results.film import draw_film as draw_film
    from fastavatar.results.film import head_cameras as head_cameras
    from fastavatar.results.folder import require_writable as require_writable
    from fastavatar.results.folder import write_results as write_results
    from fastavatar.results.outputs import PREVIEW as PREVIEW
    from fastavatar.results.outputs import SPLATS as SPLATS
    from fastavatar.results.outputs import SUMMARY as SUMMARY
    from fastavatar.results.outputs import TURNTABLE as TURNTABLE
    from fastavatar.results.outputs import Outputs as Outputs
    from fastavatar.results.ownership import ResultsExist as ResultsExist
    from fastavatar.results.ownership import is_complete as is_complete
    from fastavatar.results.ownership import own_results as own_results
    from fastavatar.results.ownership import places_of_results as places_of_results
    from fastavatar.results.ownership import require_apart as require_apart
    from fastavatar.results.ownership import require_replaceable as require_replaceable
    from fastavatar.results.staging import clear_staging as clear_staging
    from fastavatar.results.staging import require_folder as require_folder
    from fastavatar.results.staging import staged as staged
    from fastavatar.results.stills import earlier_stills as earlier_stills
    from fastavatar.results.stills import write_stills as write_stills
    from fastavatar.results.summary import Run as Run
    from fastavatar.results.video import ENDINGS as ENDINGS
    from fastavatar.results.video import Picture as Picture
    from fastavatar.results.video import write_video as write_video
    from fastavatar.results.video import writer_of as writer_of

__getattr__ = lazy_attributes(
    __name__,
    {
        ".film": ["FPS", "draw_depth_film", "draw_film", "head_cameras"],
        ".folder": ["require_writable", "write_results"],
        ".outputs": ["Outputs", "PREVIEW", "SPLATS", "SUMMARY", "TURNTABLE"],
        ".ownership": [
            "ResultsExist",
            "is_complete",
            "own_results",
            "places_of_results",
            "require_apart",
            "require_replaceable",
        ],
        ".staging": ["clear_staging", "require_folder", "staged"],
        ".stills": ["earlier_stills", "write_stills"],
        ".summary": ["Run"],
        ".video": ["ENDINGS", "Picture", "write_video", "writer_of"],
    },
)
