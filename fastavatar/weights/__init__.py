"""The published weights: where they come from, where they lie, and how they are read safely."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.weights.checkpoint import read_checkpoint as read_checkpoint
    from fastavatar.weights.checkpoint import write_pickle as write_pickle
    from fastavatar.weights.checkpoint import write_safetensors as write_safetensors
    from fastavatar.weights.face_pack import DEFAULT_PACK as DEFAULT_PACK
    from fastavatar.weights.face_pack import ensure_face_pack as ensure_face_pack
    from fastavatar.weights.face_pack import find_face_pack as find_face_pack
    from fastavatar.weights.metadata import Metadata as Metadata
    from fastavatar.weights.metadata import read_metadata as read_metadata
    from fastavatar.weights.release import SIZE as SIZE
    from fastavatar.weights.release import STEMS as STEMS
    from fastavatar.weights.release import SUFFIXES as SUFFIXES
    from fastavatar.weights.release import Checkpoints as Checkpoints
    from fastavatar.weights.release import find_checkpoints as find_checkpoints
    from fastavatar.weights.release import weights_folder as weights_folder
    from fastavatar.weights.store import ensure as ensure
    from fastavatar.weights.vectors import read_array as read_array
    from fastavatar.weights.vectors import read_vector as read_vector

__getattr__ = lazy_attributes(
    __name__,
    {
        ".checkpoint": ["read_checkpoint", "write_pickle", "write_safetensors"],
        ".face_pack": ["DEFAULT_PACK", "ensure_face_pack", "find_face_pack"],
        ".metadata": ["Metadata", "read_metadata"],
        ".release": ["Checkpoints", "SIZE", "STEMS", "SUFFIXES", "find_checkpoints", "weights_folder"],
        ".store": ["ensure"],
        ".vectors": ["read_array", "read_vector"],
    },
)
