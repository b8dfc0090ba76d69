"""An event loop for code of Faust that a test calls outside of one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def current_loop() -> Iterator[None]:
    """A current event loop, as a worker has one; Python makes none unasked from 3.12 on."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()
