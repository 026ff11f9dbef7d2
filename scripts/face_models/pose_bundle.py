"""The bundle that MediaPipe's PoseLandmarker reads, from the two networks of MediaPipe 0.10.14.

The landmark network of 0.10.14 does not say how its input is normalised; PoseLandmarker reads that from
metadata inside the file. Fields have their numbers in TensorFlow Lite's schema.fbs and metadata_schema.fbs.
"""

import io
import struct
import zipfile

from scripts.face_models.flatbuffer import Node, data, fields_of, finished, references, table, vector

_VERSION, _OPERATORS, _SUBGRAPHS, _DESCRIPTION, _BUFFERS, _METADATA = 0, 1, 2, 3, 4, 6
_NORMALIZATION = struct.pack("<I", 1)  # of the union ProcessUnitOptions
_MODIFIED = (2024, 1, 1, 0, 0, 0)  # a fixed time, so that the bundle's bytes are always the same
_PADDING = 0xD935  # the extra field that zipalign uses


def pose_bundle(detector: bytes, landmarks: bytes) -> bytes:
    """The bundle of both networks: a zip file, uncompressed, its files aligned to four bytes."""
    parts = {"pose_detector.tflite": detector, "pose_landmarks_detector.tflite": with_metadata(landmarks)}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bundle:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, _MODIFIED)
            gap = -(file.tell() + 30 + len(name)) % 4  # a local header is 30 bytes and the name
            entry.extra = struct.pack("<HH", _PADDING, gap) + bytes(gap)
            bundle.writestr(entry, content)
    return file.getvalue()


def with_metadata(model: bytes) -> bytes:
    """The TFLite model with metadata which says that its input, a picture, is scaled from 0…255 to 0…1.

    A new root in front of the old file refers to the old operators, graphs and buffers, and to the metadata.
    """
    old = fields_of(model)
    (buffers,) = references(model, old[_BUFFERS], 1)
    (count,) = struct.unpack_from("<I", model, buffers)

    def front(shift: int) -> bytes:
        """The new root and what belongs to it, where the old file begins at `shift`."""

        def at(position: int) -> Node:
            return lambda _: shift + position

        metadata = table({0: data(finished(_scaled_to_unit(), b"M001"))})
        fields: dict[int, bytes | Node] = {
            number: at(references(model, old[number], 1)[0])
            for number in (_OPERATORS, _SUBGRAPHS, _DESCRIPTION)
            if number in old
        }
        fields[_VERSION] = model[old[_VERSION] : old[_VERSION] + 4]
        fields[_BUFFERS] = vector([*map(at, references(model, buffers + 4, count)), metadata])
        entry = table({0: data(b"TFLITE_METADATA"), 1: struct.pack("<I", count)})
        fields[_METADATA] = vector([entry])
        return finished(table(fields), b"TFL3")

    return front(len(front(0))) + model


def _scaled_to_unit() -> Node:
    mean, deviation = (vector([struct.pack("<f", value)]) for value in (0.0, 255.0))
    unit = table({0: _NORMALIZATION, 1: table({0: mean, 1: deviation})})
    picture = table({4: vector([unit])})
    return table({3: vector([table({2: vector([picture])})])})
