"""`fa.bind`: lets a head follow the parametric one."""

from dataclasses import replace

import numpy as np
import torch

from fastavatar.core import Avatar, Binding, Gaussians, concatenate, decode_colors
from fastavatar.errors import UsageError
from fastavatar.geometry import Array, Bools, quaternion_wxyz_from_matrix
from fastavatar.head import ARKIT_NAMES, ParametricHead, load_head
from fastavatar.rig import (
    Attachment,
    DepthView,
    FittedHead,
    Followers,
    Hidden,
    Rig,
    attached,
    brought_parts,
    expressive_surface,
    find_head,
    float32,
    held,
    hidden_kinds,
    hidden_parts,
    joints_at,
    reveal_of,
)

SEEN_M = 0.002
"""Depth behind the surface drawn up to which a splat shows its colour."""
LID_OVERLAP = 1.15
"""How far a blink takes the upper lid, in distances to the lower one, as in the parametric head. Face Mesh
sees 10 % of the gap of five people then, in the mean, and 13 % at 1.0."""
LID_GAINS = (0.5, 1.8)
LIDS = (
    ((159, 158, 160, 157, 161), (145, 153, 144, 154, 163)),
    ((386, 385, 387, 384, 388), (374, 380, 373, 381, 390)),
)
"""Landmarks on the upper and on the lower lid opposite, of the right and of the left eye."""


EYE_SINKS_M = 0.003
"""How far an eye goes back under a lid that closes: splats of the eye may lie before those of the lid."""


def bind(head: Avatar | Gaussians, *, from_neutral: bool = False) -> Rig:
    """A rig for an avatar of the embedded model, or for any other splat head.

    An avatar is bound as its mesh says. Any other head is drawn from several sides, Face Mesh finds the face,
    and the parametric head is fitted to it; it must stand upright in the head frame. With `from_neutral`,
    weights of 0 are a neutral face, not the photo's expression. Raises `NoFaceError` where no face is found,
    `UsageError` for no Gaussians.
    """
    gaussians = head.gaussians if isinstance(head, Avatar) else head
    if not len(gaussians):
        raise UsageError("a head without Gaussians cannot be moved")
    gaussians = gaussians.detach().to("cpu", torch.float32)
    parametric = load_head()
    fitted = own_head(head, parametric) if isinstance(head, Avatar) else None
    binding = head.binding if isinstance(head, Avatar) and fitted is not None else None
    fitted = fitted or find_head(gaussians, parametric)
    return make_rig(gaussians, parametric, fitted, binding, from_neutral)


def own_head(avatar: Avatar, head: ParametricHead) -> FittedHead | None:
    """The head that an avatar's mesh follows; None if it follows none."""
    if avatar.head is None or avatar.mesh is None or len(avatar.mesh.vertices) < len(head.mean):
        return None
    parts = (avatar.mesh.vertices[: len(head.mean)], avatar.head.expression, avatar.head.joints)
    vertices, expression, joints = (part.detach().cpu().double().numpy() for part in parts)
    view = DepthView.of(avatar.gaussians.detach().to("cpu", torch.float32), avatar.camera)
    return FittedHead(vertices, expression, joints, np.eye(3), 1.0, view)


def make_rig(
    gaussians: Gaussians,
    head: ParametricHead,
    fitted: FittedHead,
    binding: Binding | None,
    from_neutral: bool,
) -> Rig:
    """The rig of Gaussians (N) that follow a fitted head, as `binding` (N) says or by their places."""
    own = attached(gaussians, head, fitted, binding)
    means = gaussians.means.double().numpy()
    skin = _skin(own, head, fitted, means)
    colors = decode_colors(gaussians.sh[:, 0]).double().clamp(0, 1).numpy()
    brought = brought_parts(head, fitted, own.corners, means, colors) if binding is not None else frozenset()
    hidden = hidden_parts(head, fitted, means[skin], colors[skin], brought)
    own_kinds = hidden_kinds(head, fitted, own.corners, means, brought)
    attachment = _with_hidden(own, hidden, head)
    rest = concatenate([gaussians, _with_bands(hidden.gaussians, gaussians.sh.shape[1])])
    actions = fitted.scale * head.actions.astype(np.float64) @ fitted.axes.T
    eyeballs = head.region("eyes")
    actions[:, eyeballs] = 0  # they turn instead
    for blink, part in (("eyeBlinkLeft", "left_eye"), ("eyeBlinkRight", "right_eye")):
        sinks = np.unique(head.faces[head.part(part)])
        actions[ARKIT_NAMES.index(blink), sinks] = -EYE_SINKS_M * fitted.scale * fitted.axes[:, 2]
    lids = head.region("eyelids", "lashes", "sockets")
    left = head.mean[:, 0] > 0
    eyes = {
        tuple(fitted.joints[3]): np.flatnonzero(lids & left),
        tuple(fitted.joints[4]): np.flatnonzero(lids & ~left),
    }
    surface = expressive_surface(fitted.vertices, head.faces, actions, eyes)
    followers = Followers.of(rest, attachment, surface.moving)
    return Rig(
        rest,
        len(gaussians),
        surface,
        attachment,
        followers,
        held(rest, attachment, followers.index),
        reveal_of(head, fitted, hidden.kinds, own_kinds),
        float32(fitted.joints[[0, 1, 3, 4]]),
        quaternion_wxyz_from_matrix(float32(fitted.axes)),
        float32(np.clip(fitted.expression, 0, 1)),
        float32(lid_gains(head, fitted)),
        from_neutral,
    )


def lid_gains(head: ParametricHead, fitted: FittedHead) -> Array:
    """Factors (52,) of the weights with which the lids of a fitted head just close under a blink."""
    gains = np.ones(len(ARKIT_NAMES))
    at_rest = head.places.at(fitted.vertices)
    for name, (upper, lower) in zip(("eyeBlinkRight", "eyeBlinkLeft"), LIDS, strict=True):
        blink = ARKIT_NAMES.index(name)
        moved = fitted.scale * head.places.at(head.actions[blink].astype(np.float64))
        open_m = (at_rest[list(upper)] - at_rest[list(lower)]).mean(0) @ fitted.axes[:, 1]
        closes_m = (moved[list(lower), 1] - moved[list(upper), 1]).mean() * (1 - fitted.expression[blink])
        if closes_m > 0:
            gains[blink] = np.clip(LID_OVERLAP * open_m / closes_m, *LID_GAINS)
    return gains


def _with_hidden(own: Attachment, hidden: Hidden, head: ParametricHead) -> Attachment:
    joints = joints_at(head, hidden.corners.numpy(), hidden.weights.double().numpy())
    return Attachment(
        torch.cat([own.corners, hidden.corners]),
        torch.cat([own.weights, hidden.weights]),
        torch.cat([own.from_surface, torch.zeros(len(hidden.corners), 3)]),
        torch.cat([own.joints, float32(joints)]),
    )


def _with_bands(gaussians: Gaussians, coefficients: int) -> Gaussians:
    sh = torch.zeros(len(gaussians), coefficients, 3)
    sh[:, :1] = gaussians.sh
    return replace(gaussians, sh=sh)


def _skin(attachment: Attachment, head: ParametricHead, fitted: FittedHead, means: Array) -> Bools:
    """Which Gaussians (N,) at `means` (N, 3) are skin of the face that is seen; all where none is."""
    face = torch.from_numpy(head.region("face"))[attachment.corners].all(1)
    skin = (face & (attachment.weights.sum(1) > 0.99)).numpy() & fitted.view.sees(
        means, SEEN_M * fitted.scale
    )
    return np.asarray(skin if skin.any() else np.ones(len(skin), bool))
