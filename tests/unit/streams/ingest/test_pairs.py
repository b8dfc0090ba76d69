"""Connections of a feed and of its backup."""

from __future__ import annotations

from tapeline.streams.feeds.live.model import Close, Connect, HttpRequest, Send
from tapeline.streams.ingest.pairs import PairedConnections


class _Recorded:
    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.stopped = False

    def connect(self, action: Connect) -> None:
        self.numbers.append(action.connection)

    def send(self, action: Send) -> None:
        self.numbers.append(action.connection)

    def close(self, action: Close) -> None:
        self.numbers.append(action.connection)

    async def stop(self) -> None:
        self.stopped = True


async def test_odd_numbers_are_the_primary_s_and_even_ones_the_backup_s() -> None:
    primary, backup = _Recorded(), _Recorded()
    pair = PairedConnections(primary, backup)
    http = HttpRequest("", "")
    for number in (1, 2, 3):
        pair.connect(Connect(number, http, 1))
        pair.send(Send(number, "x"))
        pair.close(Close(number, False))
    await pair.stop()
    assert primary.numbers == [1, 1, 1, 3, 3, 3]
    assert backup.numbers == [2, 2, 2]
    assert primary.stopped
    assert backup.stopped
