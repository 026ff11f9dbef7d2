"""The values that travel between rooms: Gaussians, cameras, meshes, photos, faces, avatars.

Import them from here. Each loads when it is first used, so that a photo does not load torch.
"""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.core.avatar import Avatar as Avatar
    from fastavatar.core.avatar import Facts as Facts
    from fastavatar.core.avatar import Latent as Latent
    from fastavatar.core.avatar import Provenance as Provenance
    from fastavatar.core.camera import Camera as Camera
    from fastavatar.core.camera import frontal_camera as frontal_camera
    from fastavatar.core.face import Face as Face
    from fastavatar.core.gaussians import Gaussians as Gaussians
    from fastavatar.core.gaussians import concatenate as concatenate
    from fastavatar.core.gaussians import decode_colors as decode_colors
    from fastavatar.core.gaussians import decode_opacities as decode_opacities
    from fastavatar.core.gaussians import decode_scales as decode_scales
    from fastavatar.core.gaussians import encode_colors as encode_colors
    from fastavatar.core.gaussians import encode_opacities as encode_opacities
    from fastavatar.core.gaussians import encode_scales as encode_scales
    from fastavatar.core.mesh import Binding as Binding
    from fastavatar.core.mesh import Mesh as Mesh
    from fastavatar.core.photo import Photo as Photo

__getattr__ = lazy_attributes(
    __name__,
    {
        ".avatar": ["Avatar", "Facts", "Latent", "Provenance"],
        ".camera": ["Camera", "frontal_camera"],
        ".face": ["Face"],
        ".gaussians": [
            "Gaussians",
            "concatenate",
            "decode_colors",
            "decode_opacities",
            "decode_scales",
            "encode_colors",
            "encode_opacities",
            "encode_scales",
        ],
        ".mesh": ["Binding", "Mesh"],
        ".photo": ["Photo"],
    },
)
