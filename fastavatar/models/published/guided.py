"""The published networks for captures whose points are known: only W has to be found in the photos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.core import Face
from fastavatar.errors import InputError
from fastavatar.faces import choose_face, find_face
from fastavatar.geometry import spread_over
from fastavatar.models.published import ConditionalDecoder, DecoderLatent, IdentityEncoder, Person, ShRefit
from fastavatar.weights import Origin


@dataclass(frozen=True)
class GuidedNetworks:
    """The networks that turn photos and points into a latent, on one device; `load_guided` reads them."""

    encoder: IdentityEncoder | None
    """Embedding → W; None where W is given."""
    decoder: ConditionalDecoder
    """W and points → Gaussians."""
    identity: Person
    """Whose W it is."""
    device: str
    sh_refit: ShRefit = "off"
    """Whether colours of avatars from the latent are refitted."""
    made_up: tuple[str, ...] = ()
    """How the numbers of each file that was not trained were made up."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """What the networks were trained on, of those whose files state it."""

    def latent(self, photos: Sequence[NDArray[np.uint8]], points: Tensor) -> DecoderLatent:
        """The person in `photos`, each (H, W, 3), with the points (N, 3) of their head in metres.

        For several photos the directions of the embeddings are averaged, as is usual in face recognition.
        Raises `NoFaceError` where none shows a face, `InputError` for another number of points than the
        decoder was trained on.
        """
        count = self.decoder.gaussian_embeddings.num_embeddings
        if "decoder" in self.origins and len(points) > count:
            points = points[spread_over(len(points), count)]  # as it was trained
        if tuple(points.shape) != (count, 3):
            raise InputError(
                f"the decoder needs {count} points, the centres of the FLAME mesh's triangles, "
                f"found {len(points)}; the configuration `direct` takes any"
            )
        with torch.no_grad():
            w = self.identity.w(self._recognise(photos), self.encoder, self.device)
        return DecoderLatent(self.decoder, w, points.float().to(self.device), self.sh_refit)

    def _recognise(self, photos: Sequence[NDArray[np.uint8]]) -> Face | None:
        """A face whose embedding is the mean direction of those in all photos that show one."""
        recogniser = self.identity.recogniser
        if recogniser is None:
            return None
        chosen = [choose_face(faces) for faces in map(recogniser.find, photos) if faces]
        if not chosen:
            return find_face(recogniser, photos[0])  # raises, with the advice of the recogniser
        # Lengths of embeddings state how sure the recogniser is, not who the person is.
        units = [face.embedding / np.linalg.norm(face.embedding) for face in chosen]
        return replace(chosen[0], embedding=np.mean(units, 0, dtype=np.float32))
