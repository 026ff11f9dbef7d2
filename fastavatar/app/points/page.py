"""The page: viser serves it from this machine, its controls make a `Choice`, and one thread draws."""

import errno
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from fastavatar.app.points import PARTS, SIDES, Choice, CloudPair, PlacedCloud, described, place
from fastavatar.errors import FastAvatarError, UsageError
from fastavatar.formats import Cloud
from fastavatar.surfaces import NEEDS

if TYPE_CHECKING:
    import viser

log = logging.getLogger(__name__)

BACKGROUND = (30, 30, 34)
POINT_MM = 0.6
"""A point's size at the start: half a million points cover a head of 0.15 m² without gaps."""
FIELD_OF_VIEW = 0.87  # radians, 50°
FAR_ENOUGH, ASPECT = 1.4, 1.5
"""Distance of the first camera in heights of what is shown, or in widths divided by a window's aspect."""
LABEL_ABOVE_M = 0.02


class PointsPage:
    """The page about some subjects, served on `host` and `port`, 0 for a free one, as soon as it is made.

    `require_free` tells before whether it can be. Raises what reading a single subject raises; where there
    are several, the page reports that.
    """

    def __init__(self, subjects: Sequence[CloudPair], host: str = "127.0.0.1", port: int = 0) -> None:
        self._read: str | None = None
        self._clouds: dict[str, Cloud] = {}
        self._subjects = {subject.name: subject for subject in subjects}
        if len(subjects) == 1:
            self._load(subjects[0].name)
        import rich  # the extra `viewer`, as viser
        import viser

        rich.reconfigure(quiet=True)  # viser announces itself on standard output otherwise
        self._server = viser.ViserServer(host, port, label="points", verbose=False)
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{self._server.get_port()}"
        self._changed = Event()
        self._choice = Choice()
        self._drawn: list[viser.SceneNodeHandle] = []
        self._controls()

    def run(self) -> None:
        """Draw after every change of a control, until an exception, such as Ctrl-C's, ends it."""
        self._changed.set()
        while True:
            if self._changed.wait(0.5):  # short, as a signal's handler runs between two waits
                self._changed.clear()
                self.draw()

    def close(self) -> None:
        """Stop serving."""
        self._server.stop()

    def draw(self) -> None:
        """Show what the controls choose; a file that cannot be read is reported on the page."""
        name = self._subject.value
        try:
            self._load(name)
        except FastAvatarError as error:
            log.warning("%s", error)
            self._note.content = f"**{error}**"
            return
        placed = place(self._clouds, self._choice)
        with self._server.atomic():
            for handle in self._drawn:
                handle.remove()
            self._drawn = [handle for side, one in placed.items() for handle in self._add(side, one)]
        self._note.content = described(self._clouds, placed, self._choice)
        self._aim(list(placed.values()))
        self._server.flush()

    def _load(self, name: str) -> None:
        """Read a subject's clouds unless they are the ones that were read last."""
        if name != self._read:
            self._clouds, self._read = self._subjects[name].clouds(), name

    def _add(self, side: str, placed: PlacedCloud) -> list["viser.SceneNodeHandle"]:
        """The points of one side and, where there are two, its name above them."""
        if not len(placed.points):
            return []
        scene, (x, y, z) = self._server.scene, placed.shift
        cloud = scene.add_point_cloud(
            f"/{side}",
            placed.points
            + np.array(placed.shift, np.float32),  # a position of 0 would leave the last one in place
            placed.colors,
            point_size=self._size.value / 1000,
            point_shape="circle",
            point_shading="flat",
            precision="float32",
        )
        if len(self._clouds) < 2:
            return [cloud]
        top = float(placed.points[:, 1].max()) + LABEL_ABOVE_M
        return [cloud, scene.add_label(f"/name of {side}", side, position=(x, y + top, z))]

    def _aim(self, placed: Sequence[PlacedCloud]) -> None:
        """Let the first camera of a browser that opens the page see everything."""
        if not placed:
            return
        corners = np.array([one.bounds for one in placed])
        low, high = corners[:, 0].min(0), corners[:, 1].max(0)
        middle, (width, height, depth) = (low + high) / 2, high - low
        camera = self._server.initial_camera
        camera.fov, camera.near, camera.far = FIELD_OF_VIEW, 0.01, 100.0
        camera.look_at = middle
        away = depth / 2 + FAR_ENOUGH * max(height, width / ASPECT, 0.01)
        camera.position = middle + [0, 0, away]

    def _controls(self) -> None:
        """Lay out the controls; each changes a field of the choice and asks for a new picture."""
        gui, scene = self._server.gui, self._server.scene
        gui.configure_theme(show_logo=False, show_share_button=False, dark_mode=True)
        scene.set_up_direction("+y")
        scene.set_background_image(np.full((2, 2, 3), BACKGROUND, np.uint8))
        names = list(self._subjects)
        estimated = any(subject.estimator for subject in self._subjects.values())
        self._subject = gui.add_dropdown("Subject", names, initial_value=names[0], visible=len(names) > 1)
        shown = gui.add_dropdown("Show", ("both", *SIDES), initial_value="both", visible=estimated)
        part = gui.add_dropdown("Points", PARTS, initial_value=Choice().part)
        color = gui.add_dropdown("Colour by", tuple(NEEDS), initial_value=Choice().coloring)
        onto = gui.add_checkbox("On the surface", False, hint="p − d n, with each point's own d and n")
        share = gui.add_slider("Density (%)", 1, 100, 1, 100)
        self._size = gui.add_slider("Point size (mm)", 0.1, 5.0, 0.1, POINT_MM)
        self._note = gui.add_markdown("")
        self._on(self._subject, lambda choice, _: choice)
        self._on(shown, lambda choice, value: replace(choice, sides=SIDES if value == "both" else (value,)))
        self._on(part, lambda choice, value: replace(choice, part=value))
        self._on(color, lambda choice, value: replace(choice, coloring=value))
        self._on(onto, lambda choice, value: replace(choice, projected=value))
        self._on(share, lambda choice, value: replace(choice, share=value / 100))
        self._size.on_update(lambda _: self._resize())

    def _on(self, control: Any, change: Callable[[Choice, Any], Choice]) -> None:
        def act(event: object) -> None:
            self._choice = change(self._choice, control.value)
            self._changed.set()

        control.on_update(act)

    def _resize(self) -> None:
        """Change the points' size without sending them again."""
        from viser import PointCloudHandle

        for handle in self._drawn:
            if isinstance(handle, PointCloudHandle):
                handle.point_size = self._size.value / 1000


def require_free(host: str, port: int) -> None:
    """Raise `UsageError` unless `host` is this machine's, `FastAvatarError` if its `port` cannot be used.

    viser itself takes the next port in silence, or waits for ever.
    """
    foreign = f"cannot listen on {host}: it is no address of this machine; choose another address"
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        socket.create_server((host, port), family=family).close()
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(foreign) from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(foreign) from error
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise FastAvatarError(f"cannot listen on {host}:{port}: {reason}; choose another port") from error
