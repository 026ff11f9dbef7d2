"""The nodes: thin over the Python API, which does the work and raises errors of one line."""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .images import batch_of, photos_of
from .progress import counted, stages

if TYPE_CHECKING:
    from fastavatar.core import Avatar

HEAD = "FASTAVATAR_HEAD"
"""ComfyUI's name of the type that goes from node to node: an `Avatar`."""
CLIPS = ("idle", "vowels", "expressions")
Inputs = dict[str, dict[str, tuple[Any, ...]]]

_SIZE = ("INT", {"default": 512, "min": 64, "max": 2048, "step": 8, "tooltip": "Width and height in pixels."})
_FOCAL = (
    "FLOAT",
    {"default": 0.0, "min": 0.0, "max": 1e6, "tooltip": "Focal length in pixels; 0 if it is unknown."},
)


class PhotoToHead:
    """One photo of a person to a head of 3D Gaussians."""

    CATEGORY = "FastAvatar"
    DESCRIPTION = "Makes a 3D head of the person in the first picture."
    FUNCTION = "make"
    RETURN_TYPES = (HEAD,)
    RETURN_NAMES = ("head",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """What ComfyUI draws."""
        face = {
            "default": -1,
            "min": -1,
            "max": 99,
            "tooltip": "Counted from the left, from 0; −1: the largest.",
        }
        return {"required": {"image": ("IMAGE",), "face": ("INT", face), "focal_px": _FOCAL}}

    def make(self, image: Tensor, face: int = -1, focal_px: float = 0.0) -> "tuple[Avatar]":
        """The head in the first picture of a batch (B, H, W, 3)."""
        import fastavatar

        with stages():
            predictor = fastavatar.load_predictor("facemesh")
            (photo,) = photos_of(image[:1], focal_px)
            return (predictor.predict(photo, None if face < 0 else face),)


class PhotosToHead:
    """Several photos of one person to one head."""

    CATEGORY = "FastAvatar"
    DESCRIPTION = "Makes one 3D head of the person in all pictures, seen from different sides."
    FUNCTION = "make"
    RETURN_TYPES = (HEAD,)
    RETURN_NAMES = ("head",)
    PICTURES = ("image_1", "image_2", "image_3", "image_4", "image_5")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """What ComfyUI draws."""
        first, *others = cls.PICTURES
        return {
            "required": {first: ("IMAGE", {"tooltip": "One picture or a batch."}), "focal_px": _FOCAL},
            "optional": {name: ("IMAGE",) for name in others},
        }

    def make(self, image_1: Tensor, focal_px: float = 0.0, **others: Tensor) -> "tuple[Avatar]":
        """The head in all pictures of all batches (B, H, W, 3), whose sizes may differ."""
        from fastavatar.errors import UsageError
        from fastavatar.models import TakesSeveral, load_predictor

        batches = [image_1, *(others[name] for name in self.PICTURES if others.get(name) is not None)]
        photos = list(chain.from_iterable(photos_of(batch, focal_px) for batch in batches))
        with stages():
            predictor = load_predictor("facemesh")
            if not isinstance(predictor, TakesSeveral):
                raise UsageError("this model takes one photo")
            one = len(photos) == 1
            return (predictor.predict(photos[0]) if one else predictor.predict_several(photos),)


class TurnHead:
    """A head seen from all around."""

    CATEGORY = "FastAvatar"
    DESCRIPTION = "Pictures of a head from a camera that goes around it; the mask is 1 on the head."
    FUNCTION = "draw"
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("images", "masks")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """What ComfyUI draws."""
        return {
            "required": {
                "head": (HEAD,),
                "path": (["turntable", "sway", "orbit"],),
                "frames": ("INT", {"default": 48, "min": 1, "max": 1000}),
                "size": _SIZE,
                "elevation": ("FLOAT", {"default": 0.0, "min": -89.0, "max": 89.0, "tooltip": "In degrees."}),
            }
        }

    def draw(
        self, head: "Avatar", path: str, frames: int, size: int, elevation: float
    ) -> tuple[Tensor, Tensor]:
        """Images (frames, size, size, 3) over black and masks (frames, size, size)."""
        from fastavatar.results import draw_film, head_cameras

        cameras = head_cameras(head.gaussians, path, frames, size, elevation)
        return batch_of(draw_film(head.gaussians, counted(cameras), None))


class HeadToMesh:
    """A head to a mesh in a GLB file."""

    CATEGORY = "FastAvatar"
    DESCRIPTION = "Writes a head as a textured GLB into the output folder; feed the path to a 3D preview."
    FUNCTION = "write"
    OUTPUT_NODE = True
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("model_file",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """What ComfyUI draws."""
        return {"required": {"head": (HEAD,), "name": ("STRING", {"default": "fastavatar/head"})}}

    def write(self, head: "Avatar", name: str) -> tuple[str]:
        """Write the next free file of a name; its path is given below the output folder."""
        import fastavatar

        with stages():
            mesh = fastavatar.extract_mesh(head)
        path, shown = _next_file(name, ".glb")
        fastavatar.write_mesh(mesh, path)
        return (shown,)


class AnimateHead:
    """A head that moves."""

    CATEGORY = "FastAvatar"
    DESCRIPTION = "Moves a head by a built-in clip, a Live Link Face CSV, JSON of weights or a driving video."
    FUNCTION = "draw"
    RETURN_TYPES = ("IMAGE", "MASK", "FLOAT")
    RETURN_NAMES = ("images", "masks", "fps")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """What ComfyUI draws."""
        file = {"default": "", "tooltip": "Path of a .csv, .json or video that drives the head instead."}
        most = {
            "default": 240,
            "min": 1,
            "max": 10000,
            "tooltip": "Later frames are left out: they fill memory.",
        }
        return {
            "required": {
                "head": (HEAD,),
                "clip": (list(CLIPS),),
                "fps": ("FLOAT", {"default": 24.0, "min": 1.0, "max": 120.0}),
                "most_frames": ("INT", most),
                "size": _SIZE,
            },
            "optional": {"driver_file": ("STRING", file)},
        }

    @classmethod
    def IS_CHANGED(cls, driver_file: str = "", **_: Any) -> float:
        """When the driver's file was changed: ComfyUI runs the node again if that differs."""
        path = Path(driver_file)
        return path.stat().st_mtime if driver_file and path.is_file() else 0.0

    def draw(
        self, head: "Avatar", clip: str, fps: float, most_frames: int, size: int, driver_file: str = ""
    ) -> tuple[Tensor, Tensor, float]:
        """Images (T, size, size, 3) over black, masks (T, size, size), and frames per second."""
        import fastavatar
        from fastavatar.results import draw_motion, head_cameras
        from fastavatar.rig import read_drive

        with stages():
            motion = read_drive(driver_file.strip() or clip, fps).motion
            rig = fastavatar.bind(head)
        (camera,) = head_cameras(head.gaussians, frames=1, size_px=size)
        frames = list(motion)[:most_frames]
        return (*batch_of(draw_motion(rig, counted(frames), camera, None)), fps)


def _next_file(name: str, ending: str) -> tuple[Path, str]:
    """The next free file of a name in ComfyUI's output folder, and its path below that folder."""
    import folder_paths

    root = folder_paths.get_output_directory()
    folder, stem, counter, subfolder, _ = folder_paths.get_save_image_path(name, root)
    file = f"{stem}_{counter:05}_{ending}"
    return Path(folder) / file, (Path(subfolder) / file).as_posix()


NODE_CLASS_MAPPINGS = {
    "FastAvatarPhotoToHead": PhotoToHead,
    "FastAvatarPhotosToHead": PhotosToHead,
    "FastAvatarTurnHead": TurnHead,
    "FastAvatarHeadToMesh": HeadToMesh,
    "FastAvatarAnimateHead": AnimateHead,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "FastAvatarPhotoToHead": "Photo to head",
    "FastAvatarPhotosToHead": "Several photos to head",
    "FastAvatarTurnHead": "Turn head",
    "FastAvatarHeadToMesh": "Head to mesh",
    "FastAvatarAnimateHead": "Animate head",
}
