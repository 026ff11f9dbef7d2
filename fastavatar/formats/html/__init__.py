"""One HTML file that shows a head in a browser."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.formats.html.build import build_viewer as build_viewer
    from fastavatar.formats.html.page import TEMPLATE as TEMPLATE
    from fastavatar.formats.html.page import require_viewer as require_viewer
    from fastavatar.formats.html.page import viewer_page as viewer_page

__getattr__ = lazy_attributes(
    __name__,
    {
        ".build": ["build_viewer"],
        ".page": ["TEMPLATE", "require_viewer", "viewer_page"],
    },
)
