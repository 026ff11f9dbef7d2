"""Photos and the masks that say where the person is in them."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.images.decode import DECODING_ERRORS as DECODING_ERRORS
    from fastavatar.images.decode import KNOWN as KNOWN
    from fastavatar.images.decode import require_picture as require_picture
    from fastavatar.images.edges import lower_edge as lower_edge
    from fastavatar.images.endings import is_photo_name as is_photo_name
    from fastavatar.images.endings import is_video_name as is_video_name
    from fastavatar.images.exif import CREDIBLE_FOCAL as CREDIBLE_FOCAL
    from fastavatar.images.mediapipe_quiet import quiet_stderr as quiet_stderr
    from fastavatar.images.mediapipe_quiet import solutions as solutions
    from fastavatar.images.photo import load_photo as load_photo
    from fastavatar.images.segmentation import person_mask as person_mask
    from fastavatar.images.video import read_stills as read_stills
    from fastavatar.images.video import sharpness_of as sharpness_of

__getattr__ = lazy_attributes(
    __name__,
    {
        ".decode": ["DECODING_ERRORS", "KNOWN", "require_picture"],
        ".edges": ["lower_edge"],
        ".endings": ["is_photo_name", "is_video_name"],
        ".exif": ["CREDIBLE_FOCAL"],
        ".mediapipe_quiet": ["quiet_stderr", "solutions"],
        ".photo": ["load_photo"],
        ".segmentation": ["person_mask"],
        ".video": ["read_stills", "sharpness_of"],
    },
)
