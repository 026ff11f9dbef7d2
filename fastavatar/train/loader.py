"""Reads the views of the next steps on threads while a step is computed."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from torch import Tensor

from fastavatar.captures import View
from fastavatar.errors import InputError
from fastavatar.train import Batches, DataSettings, People, shrunk


@dataclass(frozen=True)
class Example:
    """A view of a subject to learn from."""

    subject: int
    """Index of the subject among those trained on."""
    view: View
    """Its picture in memory, shrunk as the settings say."""
    points: Tensor
    """(P, 3) the subject's points, metres."""


class Pictures:
    """The views of people, shrunk; kept in memory as long as there is room."""

    def __init__(self, settings: DataSettings) -> None:
        self._max_side_px = settings.max_side_px
        self._room = settings.cache_megabytes << 20
        self._kept: dict[int, View] = {}
        self._lock = threading.Lock()

    def read(self, view: View, key: int) -> View:
        """`view` with its pictures read and shrunk; `key` tells it from all others.

        Raises `InputError` where a file is damaged.
        """
        found = self._kept.get(key)
        if found is not None:
            return found
        made = shrunk(view, self._max_side_px)
        made = View(made.name, made.image, made.mask, made.camera, made.has_mask)
        size = made.image.nbytes + made.mask.nbytes
        with self._lock:
            if size <= self._room and key not in self._kept:
                self._kept[key], self._room = made, self._room - size
        return made


class Loader:
    """The examples of each step; those of the next ones are read meanwhile."""

    def __init__(self, people: People, settings: DataSettings, batches: Batches, together: int = 1) -> None:
        """`together` views of a person, spread over all, stand in a batch for each of its examples."""
        self._people, self._batches, self._together = people, batches, together
        self._examples = people.examples
        self._first = {who: number for number, (who, _) in reversed(list(enumerate(self._examples)))}
        self._pictures = Pictures(settings)
        self._pool = ThreadPoolExecutor(settings.readers, "reader")
        self._ahead = 2 * settings.readers
        self._coming: dict[int, Future[list[Example]]] = {}

    def __getitem__(self, step: int) -> list[Example]:
        """The examples of this process at `step`, from 0.

        In place of a broken view the next one that can be read is taken; raises `InputError` once more than
        5 % are broken.
        """
        for gone in [one for one in self._coming if one < step]:
            del self._coming[gone]
        for one in range(step, step + 1 + self._ahead):
            if one not in self._coming:
                # Which examples they are is settled here: the order is not made for several threads
                self._coming[one] = self._pool.submit(self._batch, self._batches[one])
        return self._coming[step].result()

    def _batch(self, numbers: list[int]) -> list[Example]:
        return [self._example(other) for number in numbers for other in self._beside(number)]

    def _beside(self, number: int) -> list[int]:
        """An example and as many others of the same person as are asked for, or as there are."""
        who, _ = self._examples[number]
        first, count = self._first[who], len(self._people.trained[who].trained)
        several = min(self._together, count)
        return [first + (number - first + place * count // several) % count for place in range(several)]

    def _example(self, number: int) -> Example:
        for place in range(len(self._examples)):
            key = (number + place) % len(self._examples)
            who, index = self._examples[key]
            subject = self._people.trained[who]
            try:
                return Example(who, self._pictures.read(subject.views[index], key), subject.points)
            except InputError as error:
                self._people.broken.note(error)
                self._people.broken.require_few()
        raise InputError("no view can be read")
