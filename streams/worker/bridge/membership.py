"""Until when this process certainly was a member of its group.

The private names used here are in the list of `transport`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.consumer.fetcher import FetchError

from tapeline.streams.kafka.connection import refusal_of


class Membership:
    """When the group's coordinator last confirmed that this process is a member.

    Heartbeats go out from the client's thread, whatever the worker computes. A process that was
    stopped has none, and one that was replaced gets no confirmation of its generation.
    """

    def __init__(self) -> None:
        self._watched: Any = None
        self._confirmed: tuple[int, float] = (0, 0.0)

    def watch(self, coordinator: Any) -> int:
        """Take note of a coordinator's heartbeats from now on; its generation."""
        if coordinator is not self._watched:
            self._watched = coordinator
            coordinator._do_heartbeat = self._noted(coordinator, coordinator._do_heartbeat)
        return int(coordinator.generation)

    def _noted(self, coordinator: Any, beat: Callable[[], Awaitable[bool]]) -> Any:
        async def noted() -> bool:
            # The answer may come late: it was true when it was asked for.
            generation, asked_at = int(coordinator.generation), time.monotonic()
            confirmed = await beat()
            if confirmed and coordinator.generation == generation:
                self._confirmed = generation, asked_at
            return confirmed

        return noted

    def since(self, generation: int, handed_at: float) -> float:
        """The last time at which what was handed out in a generation was certainly ours."""
        confirmed, asked_at = self._confirmed
        return max(handed_at, asked_at) if confirmed == generation else handed_at


def client_failure(client: Any) -> BaseException | None:
    """What ended a client's part in its group, or what right is missing; None: nothing.

    Where a right is missing the client waits for ever to be asked.
    """
    coordinator, fetched = client._coordinator, list(client._fetcher._records.values())
    waiting = [each._error for each in fetched if isinstance(each, FetchError)]
    errors: list[BaseException | None] = [coordinator._pending_exception, *waiting]
    for error in errors:
        refused = refusal_of(error)
        if refused is not None:
            return refused
    task = coordinator._coordination_task
    if task is None or not task.done() or task.cancelled():
        return None
    failure: BaseException | None = task.exception()
    return failure
