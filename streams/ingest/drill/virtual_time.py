"""A loop whose time jumps: sockets, threads and disks are real, waiting is not.

As soon as no socket has anything and no thread works, time is that of the next timer. An hour of a
feed takes as long as what happens in it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from tapeline.schemas.instants import SECOND_MS
from tapeline.streams.feeds.live.model import Instant

QUIET_S: Final = 0.001
"""Real time without an event after which none is on its way: loopback delivers at once."""
LOOK_S: Final = 0.05
_BEGIN_S: Final = 1_000.0
T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for real only while a thread works.

    Attributes
    ----------
    loop
        Whose time it moves.
    """

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Events that are there; without any, time moves by the timeout."""
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self.loop.threads or timeout is None:
            return super().select(LOOK_S)
        events = super().select(QUIET_S)
        if not events:
            self.loop.now_s += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time.

    Attributes
    ----------
    now_s
        Its time.
    threads
        Calls in threads that have not returned: no time passes meanwhile.
    """

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.now_s = _BEGIN_S
        self.threads = 0
        super().__init__(selector)

    def time(self) -> float:
        """The virtual time."""
        return self.now_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Call in a thread; time stands still until it returns."""
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _: object) -> None:
        self.threads -= 1


class VirtualClock:
    """Both clocks of a feed on a `VirtualLoop`.

    Parameters
    ----------
    start_ms
        UTC at which the virtual time begins.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ms: int) -> None:
        self._loop = loop
        self._offset_ms = start_ms - round(loop.time() * SECOND_MS)

    def __call__(self) -> Instant:
        """What both clocks show now."""
        mono_ms = round(self._loop.time() * SECOND_MS)
        return Instant(mono_ms, mono_ms + self._offset_ms)

    @property
    def now_ms(self) -> int:
        """UTC."""
        return self().wall_ms

    async def until(self, at_ms: int) -> None:
        """Wait until an instant, UTC; one that has passed is now."""
        await asyncio.sleep(max(0, at_ms - self.now_ms) / SECOND_MS)


def run_virtual(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What a coroutine returns, run on a `VirtualLoop` of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(make())
