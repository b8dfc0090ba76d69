"""Hosts on a log with late, changed and cancelled bars: what they publish is what a replay does."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from tapeline.schemas.config.model import Config
from tapeline.schemas.records import LogRecord
from tests.kafka.broker import Broker
from tests.kafka.hosts import (
    DEALT_OUT,
    FIRST,
    FOLLOWS,
    HostProcess,
    assert_as_replayed,
    clocks_after,
    prepared,
    published,
    states_of,
    stored_book,
    troubled_logs,
    until_taken,
)
from tests.kafka.worker_process import POLL_S, SESSION_S, append, until_shown

HISTORY = 300
KILLS = 20
PIECE = 30


async def append_all(config: Config, logs: Mapping[int, Sequence[LogRecord]]) -> None:
    for partition, log in logs.items():
        await append(config, partition, log)


def cut(
    logs: Mapping[int, Sequence[LogRecord]], begin: int, end: int | None = None
) -> dict[int, list[LogRecord]]:
    return {partition: list(log[begin:end]) for partition, log in logs.items()}


async def test_a_host_that_is_killed_twenty_times_publishes_what_a_replay_does_to_the_byte(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix, tmp_path)
    random = Random(17)
    logs = troubled_logs(HISTORY + KILLS * PIECE)
    begins = dict.fromkeys(logs, HISTORY)
    await append_all(config, cut(logs, 0, HISTORY))
    host = HostProcess(config, tmp_path / "host", ragged=True)
    try:
        async with states_of(config) as states:
            await host.start_until(FOLLOWS)
            for at in range(HISTORY, HISTORY + KILLS * PIECE, PIECE):
                before = await states.end()
                await append_all(config, cut(logs, at, at + PIECE))
                await states.until_end(before + random.randint(1, 8), host)
                host.kill()
                host.start()
        clocks = clocks_after(logs)
        await append_all(config, clocks)
        # The first clocks are taken for certain; the second ones wait for each other.
        ends = {each: len(logs[each]) + 1 for each in logs}
        await until_taken(config, ends, [host])
        assert host.drain() == 0
    finally:
        host.kill()
    found = await assert_as_replayed(config, begins)
    assert found.count("signal") > 50
    assert found.count("decision") > 20
    assert found.count("fill") > 10
    assert found.count("note") > 0
    assert found.repeated > 0, "kills fell between outputs and state, too"


async def test_two_books_on_two_hosts_are_taken_over_within_the_session(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix, tmp_path, books=2)
    logs = troubled_logs(HISTORY + 300)
    begins = dict.fromkeys(logs, HISTORY)
    await append_all(config, cut(logs, 0, HISTORY))
    hosts = [
        HostProcess(
            config,
            tmp_path / "hosts",
            instance=each,
            ragged=True,
            dynamic=True,
            session_s=SESSION_S,
        )
        for each in range(2)
    ]
    first, second = hosts
    loop = asyncio.get_running_loop()
    try:
        await first.start_until(FOLLOWS)
        await first.until(FOLLOWS, 2)
        await second.start_until("health on")
        await second.until(FOLLOWS)
        await append_all(config, cut(logs, HISTORY, HISTORY + 100))
        first.kill()
        died_at = loop.time()
        taken_before = second.output_since_start().count(FOLLOWS)
        await second.until(FOLLOWS, taken_before + 2)
        took_s = loop.time() - died_at
        # The session, and what it takes to read two states and the log, on a machine that is busy.
        assert took_s < 4 * SESSION_S
        await append_all(config, cut(logs, HISTORY + 100))
        await append_all(config, clocks_after(logs))
        ends = {each: len(logs[each]) + 1 for each in logs}
        for book in range(2):
            await until_taken(config, ends, [second], book)
        assert second.drain() == 0
    finally:
        for each in hosts:
            each.kill()
    await assert_as_replayed(config, begins, books=2)


async def test_a_host_that_slept_past_its_session_writes_nothing_when_it_wakes(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix, tmp_path)
    logs = troubled_logs(HISTORY + 200)
    begins = dict.fromkeys(logs, HISTORY)
    await append_all(config, cut(logs, 0, HISTORY))
    sleeper, other = (
        HostProcess(
            config,
            tmp_path / "hosts",
            instance=each,
            ragged=True,
            dynamic=True,
            session_s=SESSION_S,
        )
        for each in range(2)
    )
    try:
        await sleeper.start_until(FOLLOWS)
        async with states_of(config) as states:
            before = await states.end()
            await append_all(config, cut(logs, HISTORY, HISTORY + 100))
            await states.until_end(before + 5, sleeper)
            sleeper.signal(signal.SIGSTOP)
            await other.start_until(FOLLOWS)
            await append_all(config, cut(logs, HISTORY + 100))
            await append_all(config, clocks_after(logs))
            ends = {each: len(logs[each]) + 1 for each in logs}
            await until_taken(config, ends, [other])
            end = await states.end()
            orders = sleeper.output().count(DEALT_OUT)
            sleeper.signal(signal.SIGCONT)
            # It ends if it had something in hand, else it joins the group anew.
            assert await ended_or_joined(sleeper, orders) in (70, None)
            assert await states.end() == end
    finally:
        sleeper.kill()
        other.kill()
    found = await assert_as_replayed(config, begins)
    assert found.count("signal") > 0


async def ended_or_joined(host: HostProcess, orders: int) -> int | None:
    """The exit code of a host, or None once the group has a newer order that it is part of."""
    while (code := host.code()) is None and host.output().count(DEALT_OUT) == orders:
        await asyncio.sleep(POLL_S)
    return code


async def test_a_broker_that_stops_and_a_data_folder_that_is_lost_change_nothing(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix, tmp_path)
    logs = troubled_logs(HISTORY + 200)
    begins = dict.fromkeys(logs, HISTORY)
    await append_all(config, cut(logs, 0, HISTORY))
    host = HostProcess(config, tmp_path / "host", ragged=True)
    try:
        async with states_of(config) as states:
            await host.start_until(FOLLOWS)
            before = await states.end()
            await append_all(config, cut(logs, HISTORY, HISTORY + 100))
            await states.until_end(before + 5, host)
        broker.stop()
        broker.start()
        await append_all(config, cut(logs, HISTORY + 100))
        await append_all(config, clocks_after(logs))
        # It goes on, or has ended with 70: a supervisor starts it again.
        if host.bury() is None:
            host.kill()
        shutil.rmtree(host.data_dir)
        await host.start_until(FOLLOWS)
        await until_taken(config, {each: len(logs[each]) + 1 for each in logs}, [host])
        assert host.drain() == 0
    finally:
        host.kill()
    await assert_as_replayed(config, begins)


async def test_a_book_waits_for_its_slowest_partition_and_shows_it(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix, tmp_path)
    logs = troubled_logs(40)
    with HostProcess(config, tmp_path / "host") as host:
        await host.until(FOLLOWS)
        await append(config, 0, logs[0])
        await until_shown(host, {'host_waits{book="0",partition="1"}': 1.0})
        assert (await stored_book(config)).checkpoint is not None
        await append(config, 1, logs[1])
        await append_all(config, clocks_after(logs))
        await until_taken(config, {each: len(logs[each]) + 1 for each in logs}, [host])
        assert host.drain() == 0
    found = await published(config)
    assert found.count("signal") > 0
    assert FIRST in str(found.messages)
