"""Nodes for ComfyUI, which imports this folder from its `custom_nodes`."""

from importlib.util import find_spec

if find_spec("fastavatar") is None:
    raise ImportError(
        "the package fastavatar is not installed in ComfyUI's Python: in a copy of its repository, run "
        "pip install '.[video]'"
    )

from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
