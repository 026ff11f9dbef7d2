"""Who the person is: W, computed from a face or from its embedding, or given as it is."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.core import Face
from fastavatar.errors import InputError
from fastavatar.faces import FaceFinder, find_face
from fastavatar.models.published import IdentityEncoder


@dataclass(frozen=True)
class Person:
    """The person, by one of three: a face to recognise in the photo, its embedding, or W itself."""

    recogniser: FaceFinder | None = None
    """Finds the face, with its embedding."""
    embedding: NDArray[np.float32] | None = None
    """(512,) given in place of a face."""
    w_vector: NDArray[np.float32] | None = None
    """(512,) given in place of both."""

    def recognise(self, rgb: NDArray[np.uint8], face: int | None = None) -> Face | None:
        """The face numbered `face` from the left, the largest by default, in a photo (H, W, 3).

        None where no face is needed. Raises `NoFaceError` when there is no such face.
        """
        if self.recogniser is None:
            return None
        return find_face(self.recogniser, rgb, face)

    def w(self, face: Face | None, encoder: IdentityEncoder | None, device: str) -> Tensor:
        """W (1, 512) on `device`: as given, else from the embedding of `face`, else from the embedding given.

        Raises `InputError` when there is neither.
        """
        if self.w_vector is not None:
            return torch.from_numpy(self.w_vector)[None].to(device)
        embedding = face.embedding if face is not None else self.embedding
        if embedding is None or encoder is None:
            raise InputError("there is no face, embedding or W vector to make an avatar from")
        w: Tensor = encoder(torch.from_numpy(embedding)[None].to(device))
        return w
