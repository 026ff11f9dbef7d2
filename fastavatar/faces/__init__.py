"""Who is where in a photo."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.faces.body import Body as Body
    from fastavatar.faces.body import find_body as find_body
    from fastavatar.faces.facemesh import SMALL_FACE_PX as SMALL_FACE_PX
    from fastavatar.faces.facemesh import choose_face as choose_face
    from fastavatar.faces.facemesh import find_faces as find_faces
    from fastavatar.faces.frames import FRAMES as FRAMES
    from fastavatar.faces.frames import choose_frames as choose_frames
    from fastavatar.faces.insightface import EMBEDDING_SIZE as EMBEDDING_SIZE
    from fastavatar.faces.insightface import FaceRecogniser as FaceRecogniser
    from fastavatar.faces.insightface import RecognisedFace as RecognisedFace
    from fastavatar.faces.insightface import choose_recognised as choose_recognised

__getattr__ = lazy_attributes(
    __name__,
    {
        ".body": ["Body", "find_body"],
        ".facemesh": ["SMALL_FACE_PX", "choose_face", "find_faces"],
        ".frames": ["FRAMES", "choose_frames"],
        ".insightface": ["EMBEDDING_SIZE", "FaceRecogniser", "RecognisedFace", "choose_recognised"],
    },
)
