"""How often Python's collector looks for cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (50_000, 20, 100)
"""New objects until the youngest are looked through, then each older generation."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cycles less often.

    The state of a hundred symbols is a million objects, events are many more, and hardly one is
    part of a cycle. By default they would be looked through again and again while bars are folded.
    """
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
