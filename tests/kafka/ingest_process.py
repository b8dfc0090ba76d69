"""Processes of `tapeline ingest`, and what they wrote to a broker."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import orjson

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.kafka.administration import create_topics
from tapeline.streams.kafka.connection import admin_client
from tests.kafka.broker import Broker
from tests.kafka.reading import read_topic

WAIT_S = 90.0
PARTITIONS = 2
LEASE_S = 6
"""The least that a broker lets a member ask for."""


class Desk:
    """A configuration, its topics, and processes of its feed ``demo``.

    Parameters
    ----------
    place
        Folder of the configuration.
    prefix
        Of the topics.
    feed
        Instruments and feed as TOML.
    """

    def __init__(self, place: Path, broker: Broker, prefix: str, feed: str) -> None:
        self.config = place / "tapeline.toml"
        self.prefix = prefix
        kafka = (
            f'[kafka]\nbootstrap = "{broker.bootstrap}"\ntopic_prefix = "{prefix}"\n'
            f"partitions = {PARTITIONS}\n"
        )
        self.config.write_text(kafka + feed)
        self._broker = broker
        self._started: list[asyncio.subprocess.Process] = []

    async def make_topics(self) -> None:
        """The topics of the catalogue."""
        settings = read_config(self.config.read_text(), str(self.config))
        await create_topics(settings.kafka, self._broker.brokers)

    async def ingest(self, *options: str, lease_s: int = LEASE_S) -> asyncio.subprocess.Process:
        """A process that runs."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tapeline", "ingest", "demo", "--config", str(self.config),
            "--lease-s", str(lease_s), *options,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._started.append(process)
        return process

    async def records(self) -> list[Any]:
        """Messages of the log."""
        return await self.messages(input_log(self.prefix))

    async def messages(self, topic: str) -> list[Any]:
        """Messages of a topic, those of each partition in their order."""
        found = await read_topic(self._broker.bootstrap, topic)
        return [message for partition in found for message in partition]

    async def operations(self, kind: str) -> list[dict[str, Any]]:
        """Events of a type of the operations."""
        messages = await self.messages(topic_of("hole", self.prefix))
        found = [orjson.loads(message.value) for message in messages]
        return [event for event in found if event["type"] == kind]

    async def until_records(self, count: int) -> None:
        """Wait until the log has so many messages."""
        async with asyncio.timeout(WAIT_S):
            while len(await self.records()) < count:
                await self.look()
                await asyncio.sleep(0.2)

    async def look(self) -> None:
        """No process may have ended by itself."""
        over = [each for each in self._started if each.returncode not in (None, 0, -9)]
        assert not over, [(each.returncode, await ended(each)) for each in over]

    async def members(self, group: str) -> int:
        """Members of a group that has found its order; 0 while it has not."""
        async with admin_client(self._broker.brokers) as admin:
            [answer] = await admin.describe_consumer_groups([group])
        [(_, _, state, _, _, members, *_)] = answer.groups
        return len(members) if state == "Stable" else 0

    async def until_members(self, group: str, count: int) -> None:
        """Wait until a group has found the order of so many members."""
        async with asyncio.timeout(WAIT_S):
            while await self.members(group) != count:
                await self.look()
                await asyncio.sleep(0.2)

    async def end_all(self) -> None:
        """Kill what still runs."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Exit code and what was written to standard error."""
    _, errors = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode is not None
    return process.returncode, errors.decode()
