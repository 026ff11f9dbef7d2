"""The network: N points with normals and colours from any number of pictures of one head.

                   ┌▶ maps at points ─ MLP ─▶ max ∥ mean of views ─ MLP ─▶ opinions ─ ridge ─▶ points ↺
picture ─ backbone ┼▶ maps at each point ─ MLP ─▶ max ∥ mean of views ┬ MLP ─▶ corrections, colours ↺
                   └▶ whole, direction ─ MLP ─▶ max ∥ mean of views ──┘

Points first move together, in ways that heads and shoulders are known to differ in, and then each by itself.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fastavatar.errors import InputError
from fastavatar.head import MeanShape, common_movement
from fastavatar.models.published import Dinov2Sizes
from fastavatar.models.surface import facing_cosines
from fastavatar.models.views import make_backbone, order_of_content, pooled
from fastavatar.models.views.backbones import Frozen, Kind

_CM = 0.01
"""Learnt movements are in centimetres, so that Adam's steps are small ones."""
_LEAST_FACING = (
    0.1  # weight of a view that sees a point from behind or at a glance, in the mean of its colours
)
_FACING_CHANNELS = 2  # cosine to the view, and whether the point is in the picture
_AGREEMENTS, _SPACING = 2, 4
"""Times that points agree on a common movement, and of how many points one is asked."""
_RIDGE = 10.0
"""At the start, in square centimetres, as opinions count one: a thousandth of the points' own weight."""
_FORGOTTEN = 0.1  # share of what the views say as a whole that is dropped in training: there are few people


@dataclass(frozen=True)
class ViewsSizes:
    """The size of a network; its checkpoint holds them."""

    backbone: Kind
    """`convolutional`, or `dinov2`, which needs its weights."""
    picture_px: int
    """Side of a picture's crop, a multiple of 16."""
    channels: int
    """Channels of the convolutional backbone, a multiple of 32."""
    points: int
    """N."""
    code: int
    """Features of a view as a whole, and of what all views say."""
    basis: int
    """Ways in which the points can move together: the first ones of `MeanShape`."""
    local: int
    """Features of a point in a view."""
    rounds: int
    """Times that the points look at themselves in the views, and are corrected."""


class OrientedPoints(NamedTuple):
    """N points of a surface."""

    points: Tensor
    """(N, 3) metres, head frame."""
    normals: Tensor
    """(N, 3) unit length, outward."""
    colors: Tensor
    """(N, 3) sRGB in 0…1."""
    coarse: Tensor
    """(A, N, 3) metres: the points before their own corrections, after each agreement."""


class ViewsNetwork(nn.Module):
    """Pictures of one head → oriented points; starts as the mean shape."""

    mean_points: Tensor
    mean_normals: Tensor
    modes: Tensor

    def __init__(self, settings: ViewsSizes, start: MeanShape, dino: Dinov2Sizes | None = None) -> None:
        """Raises `InputError` for sizes that do not fit."""
        super().__init__()
        if settings.picture_px % 16 or settings.channels % 32 or min(astuple(settings)[1:]) < 1:
            raise InputError(
                "network: picture_px must be a multiple of 16, channels one of 32, and all at least 1"
            )
        if settings.basis > len(start.modes):
            raise InputError(f"network: basis must be at most {len(start.modes)}")
        self.settings = settings
        self.register_buffer("mean_points", start.points)
        self.register_buffer("mean_normals", start.normals)
        self.register_buffer("modes", start.modes[: settings.basis])
        self.backbone = make_backbone(settings.backbone, settings.picture_px, settings.channels, dino)
        code, local, count = settings.code, settings.local, len(start.points)
        self.view = _mlp(self.backbone.whole_channels + 3, code, code)
        self.whole = _mlp(2 * code, code, code)
        self.context = nn.Linear(code, local)
        # Without the whole, in which a network of few people would know each again
        self.look_together = _Look(self.backbone.map_channels, 3, local)
        self.opinion = nn.Linear(2 * local, 2)
        self.log_ridge = nn.Parameter(torch.tensor(_RIDGE).log())
        self.turns = nn.Linear(len(self.modes), count * 3)
        self.look_alone = _Look(self.backbone.map_channels, local + 3, local)
        self.correction = nn.Linear(2 * local, 10)
        self.forget = nn.Dropout(_FORGOTTEN)
        with torch.no_grad():
            for layer in (self.opinion, self.correction):
                layer.weight.mul_(0.1)
                layer.bias.zero_()
            for zero in (self.turns.weight, self.turns.bias):
                zero.zero_()

    def load_dino(self, state: Mapping[str, Tensor]) -> None:
        """Take DINOv2's weights, by their names, among others; raises `RuntimeError` where one is missing."""
        assert isinstance(self.backbone, Frozen)
        wanted = self.backbone.network.state_dict()
        self.backbone.network.load_state_dict({name: state[name] for name in wanted if name in state})

    def forward(self, pictures: Tensor, projections: Tensor) -> OrientedPoints:
        """The points of pictures (V, 4, S, S) in 0…1, whatever their order.

        `projections` (V, 3, 4) take points of the head frame in metres to pixels times depth, K [R | t].
        """
        order = order_of_content(pictures, projections)
        pictures, projections = pictures[order], projections[order]
        whole, maps = self.backbone(pictures)
        # The third row of K [R | t] is that of [R | t]: the direction in which the camera looks
        said = self.view(torch.cat([whole, projections[:, 2, :3]], 1))
        context = self.context(self.whole(self.forget(pooled(said))))
        views = _Views(maps, projections)
        found = OrientedPoints(self.mean_points, self.mean_normals, torch.empty(0), self.mean_points[None])
        agreed = []
        for _ in range(_AGREEMENTS):
            found = self._agreed(found, views)
            agreed.append(found.points)
        found = found._replace(coarse=torch.stack(agreed))
        for _ in range(self.settings.rounds):
            found = self._corrected(found, views, context)
        return found

    def _agreed(self, given: OrientedPoints, views: "_Views") -> OrientedPoints:
        """The mean shape, moved along its ways so that it fits what a part of the points say of themselves.

        Each says how far the surface is along its normal, and how sure it is of that: a ridge regression.
        """
        part = slice(None, None, _SPACING)
        start, points, normals = (
            self.mean_points[part],
            given.points.detach()[part],
            given.normals.detach()[part],
        )
        apart, sure = self.opinion(self.look_together(views, points, normals, 10 * start)[0]).unbind(1)
        wanted = ((points - start) * normals).sum(1) / _CM + apart
        weights = common_movement(
            self.modes[:, part] / _CM, normals, wanted, functional.softplus(sure), self.log_ridge.exp()
        )
        turned = self.mean_normals + self.turns(weights).unflatten(0, (-1, 3))
        return OrientedPoints(
            self.mean_points + torch.einsum("k,knc->nc", weights, self.modes),
            functional.normalize(turned, dim=1),
            given.colors,
            given.coarse,
        )

    def _corrected(self, given: OrientedPoints, views: "_Views", context: Tensor) -> OrientedPoints:
        """The points after each looked at itself in the maps of all views."""
        known = torch.cat([context.expand(len(given.points), -1), 10 * self.mean_points], 1)
        looked, shown = self.look_alone(views, given.points, given.normals, known)
        along, move, turn, color = self.correction(looked).split((1, 3, 3, 3), 1)
        return OrientedPoints(
            given.points + _CM * (along * given.normals.detach() + move),
            functional.normalize(given.normals + turn, dim=1),
            torch.sigmoid(color + torch.logit(shown.clamp(0.02, 0.98))),
            given.coarse,
        )


class _Views(NamedTuple):
    """What points look at."""

    maps: tuple[Tensor, ...]
    projections: Tensor


class _Look(nn.Module):
    """Features (N, 2 L) of points from where they project in all views, and the mean colours (N, 3) there."""

    def __init__(self, map_channels: int, known: int, local: int) -> None:
        """`known` is the number of what is known of a point beforehand."""
        super().__init__()
        self.at_point = _mlp(map_channels + _FACING_CHANNELS, local, local)
        self.point = _mlp(2 * local + known + 3 + 3, 2 * local, 2 * local)

    def forward(self, views: _Views, points: Tensor, normals: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """The features of points (N, 3) with normals (N, 3), of which (N, K) is known."""
        # Where the points project is looked up, not learnt: no gradient through the place
        points, normals = points.detach(), normals.detach()
        seen, facing = _looked_up(views.maps, views.projections, points, normals)
        weight = facing[..., :1].clamp(min=_LEAST_FACING) * facing[..., 1:]
        shown = (weight * seen[..., :3]).sum(0) / weight.sum(0).clamp(min=1e-6)
        in_views = pooled(self.at_point(torch.cat([seen, facing], -1)))
        return self.point(torch.cat([in_views, known, normals, shown], 1)), shown


def _looked_up(
    maps: tuple[Tensor, ...], projections: Tensor, points: Tensor, normals: Tensor
) -> tuple[Tensor, Tensor]:
    """Features (V, N, C) of the maps where points (N, 3) project, and (V, N, 2) how the views see them.

    The latter are the cosine between normal (N, 3) and direction to the camera, and 1 within the picture. The
    first map has the picture's own size, which projections are given in.
    """
    size = maps[0].shape[-1]
    ahead = torch.einsum("vij,nj->vni", projections[..., :3], points) + projections[:, None, :, 3]
    places = 2 * ahead[..., :2] / (size * ahead[..., 2:].clamp(min=1e-3)) - 1
    found = [
        functional.grid_sample(one, places[:, :, None], padding_mode="border", align_corners=False)[..., 0]
        for one in maps
    ]
    inside = (places.abs() < 1).all(-1).to(points)
    return torch.cat(found, 1).transpose(1, 2), torch.stack(
        [facing_cosines(projections, points, normals), inside], -1
    )


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs), nn.SiLU())
