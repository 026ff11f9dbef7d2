from .build import build_viewer as build_viewer
from .page import RECIPE as RECIPE
from .page import TEMPLATE as TEMPLATE
from .page import require_viewer as require_viewer
from .page import viewer_page as viewer_page
from .settings import viewer_settings as viewer_settings
