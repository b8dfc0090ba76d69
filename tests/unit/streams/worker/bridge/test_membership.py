"""What a worker holds is its own when handed out, and whenever a heartbeat is confirmed."""

from __future__ import annotations

import time

from tapeline.streams.worker.bridge.membership import Membership

GENERATION = 7


class Coordinator:
    """The part of the client that asks the broker."""

    def __init__(self) -> None:
        self.generation = GENERATION
        self.answers = [True]
        self.joined: int | None = None

    async def _do_heartbeat(self) -> bool:
        if self.joined is not None:
            self.generation = self.joined
        return self.answers.pop(0)


async def test_a_confirmed_heartbeat_renews_what_was_handed_out_in_its_generation() -> None:
    membership, coordinator = Membership(), Coordinator()
    assert membership.watch(coordinator) == GENERATION
    assert membership.watch(coordinator) == GENERATION
    before = time.monotonic()
    assert await coordinator._do_heartbeat()
    assert membership.since(GENERATION, 5.0) >= before
    assert membership.since(GENERATION - 1, 5.0) == 5.0


async def test_a_heartbeat_that_is_refused_renews_nothing() -> None:
    membership, coordinator = Membership(), Coordinator()
    membership.watch(coordinator)
    coordinator.answers = [False]
    assert not await coordinator._do_heartbeat()
    assert membership.since(GENERATION, 5.0) == 5.0


async def test_a_generation_that_begins_meanwhile_is_not_confirmed() -> None:
    membership, coordinator = Membership(), Coordinator()
    membership.watch(coordinator)
    coordinator.joined = GENERATION + 1
    assert await coordinator._do_heartbeat()
    assert membership.since(GENERATION, 5.0) == 5.0
    assert membership.since(GENERATION + 1, 5.0) == 5.0
