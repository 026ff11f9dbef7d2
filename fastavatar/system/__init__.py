"""The operating system: atomic files, the cache folder, processors."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.system.arrays import read_npy as read_npy
    from fastavatar.system.arrays import read_npz as read_npz
    from fastavatar.system.atomic import abandoned as abandoned
    from fastavatar.system.atomic import alone_in as alone_in
    from fastavatar.system.atomic import partial as partial
    from fastavatar.system.atomic import place as place
    from fastavatar.system.atomic import refusals_told as refusals_told
    from fastavatar.system.atomic import replacing as replacing
    from fastavatar.system.atomic import replacing_all as replacing_all
    from fastavatar.system.files import read_bytes as read_bytes
    from fastavatar.system.folders import cache_folder as cache_folder
    from fastavatar.system.lazy import lazy_attributes as lazy_attributes
    from fastavatar.system.memory import peak_memory_mb as peak_memory_mb
    from fastavatar.system.ply import Columns as Columns
    from fastavatar.system.ply import encode_ply_elements as encode_ply_elements
    from fastavatar.system.ply import read_ply_elements as read_ply_elements
    from fastavatar.system.processors import MAX_THREADS as MAX_THREADS
    from fastavatar.system.processors import processor_count as processor_count
    from fastavatar.system.processors import require_address_space as require_address_space

__getattr__ = lazy_attributes(
    __name__,
    {
        ".arrays": ["read_npy", "read_npz"],
        ".atomic": [
            "abandoned",
            "alone_in",
            "partial",
            "place",
            "refusals_told",
            "replacing",
            "replacing_all",
        ],
        ".files": ["read_bytes"],
        ".folders": ["cache_folder"],
        ".lazy": ["lazy_attributes"],
        ".memory": ["peak_memory_mb"],
        ".ply": ["Columns", "encode_ply_elements", "read_ply_elements"],
        ".processors": ["MAX_THREADS", "processor_count", "require_address_space"],
    },
)
