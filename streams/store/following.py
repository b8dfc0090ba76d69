"""A store that grows while it is read: opened anew, read-only, at each look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.streams.store.layout import commits_of
from tapeline.streams.store.reading import StoreReader


def looks(
    folder: Path, pause: Callable[[], None], registry: Registry = EVENTS
) -> Iterator[StoreReader]:
    """The store, opened read-only, once now and once after each commit that is noticed.

    Parameters
    ----------
    pause
        Called between two looks; what it raises ends them.

    Raises
    ------
    StoreError, StoreDamagedError, OSError
        As `StoreReader` does.
    """
    seen: int | None = None
    while True:
        # Before the store is opened: what is committed meanwhile is seen by the next look.
        commits = commits_of(folder)
        if commits != seen:
            seen = commits
            with StoreReader(folder, registry) as reader:
                yield reader
        pause()
