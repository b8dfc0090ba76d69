"""A worker that joins the group for the log alone, as a program: no worker has its changelogs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from faust.transport.drivers.aiokafka import Consumer

from tapeline.streams.drill import ragged_worker
from tapeline.streams.worker.bridge.transport import BatchConsumer


async def _subscribe(self: Any, topics: Iterable[str]) -> None:
    await Consumer.subscribe(self, set(topics) - self.app.tables.changelog_topics)


if __name__ == "__main__":
    BatchConsumer.subscribe = _subscribe  # type: ignore[method-assign]
    BatchConsumer.on_partitions_assigned = Consumer.on_partitions_assigned  # type: ignore[method-assign]
    sys.exit(ragged_worker.main())
