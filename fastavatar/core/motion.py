"""What lets a mesh move: named shapes, a skeleton, and the parameters of the head that it shows."""

from dataclasses import dataclass

from torch import Tensor

from fastavatar.errors import InputError
from fastavatar.geometry import require_shape


@dataclass(frozen=True)
class Shapes:
    """Movements of a mesh's vertices by name, such as ARKit's expressions.

    Raises `InputError` for shapes that do not match.
    """

    names: tuple[str, ...]
    offsets: Tensor
    """(S, V, 3) movement of each vertex under the whole of a shape, metres, head frame."""

    def __post_init__(self) -> None:
        """Check the shapes."""
        require_shape("offsets", self.offsets, len(self.names), None, 3)

    def subset(self, index: Tensor) -> "Shapes":
        """The shapes of the vertices that `index` (M,) selects."""
        return Shapes(self.names, self.offsets[:, index])


@dataclass(frozen=True)
class Skeleton:
    """Joints that turn, and how much each vertex of a mesh follows them.

    Raises `InputError` for shapes that do not match, and for a joint whose parent does not precede it.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    """The joint that each hangs on, which precedes it; −1 for the torso, which stays."""
    places: Tensor
    """(J, 3) metres, head frame."""
    weights: Tensor
    """(V, J) skinning weights; the rest of 1 stays with the torso."""

    def __post_init__(self) -> None:
        """Check shapes and order."""
        require_shape("places", self.places, len(self.names), 3)
        require_shape("weights", self.weights, None, len(self.names))
        if len(self.parents) != len(self.names) or any(
            not -1 <= parent < joint for joint, parent in enumerate(self.parents)
        ):
            raise InputError(f"the parents of {len(self.names)} joints must precede them: {self.parents}")

    def subset(self, index: Tensor) -> "Skeleton":
        """The skeleton of the vertices that `index` (M,) selects."""
        return Skeleton(self.names, self.parents, self.places, self.weights[index])


@dataclass(frozen=True)
class HeadParameters:
    """The parametric head that an avatar's mesh follows.

    Raises `InputError` for shapes that do not match.
    """

    identity: Tensor
    """(K,) coefficients in standard deviations."""
    expression: Tensor
    """(52,) weights of ARKit's expressions in the photo, which the mesh shows at rest."""
    joints: Tensor
    """(5, 3) places of neck, head, jaw, left and right eye, metres, head frame."""

    def __post_init__(self) -> None:
        """Check the shapes."""
        require_shape("identity", self.identity, None)
        require_shape("expression", self.expression, 52)
        require_shape("joints", self.joints, 5, 3)
