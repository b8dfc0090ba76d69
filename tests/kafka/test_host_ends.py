"""How hosts begin and end: from snapshots, with another version, at a record that hangs."""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from tapeline.schemas.instants import instant_text
from tapeline.schemas.records import Bar
from tapeline.schemas.topics import host_state_topic, input_log
from tapeline.streams.kafka.administration import create_topics, delete_named
from tests.kafka.broker import Broker
from tests.kafka.hosts import (
    FOLLOWS,
    HostProcess,
    assert_as_replayed,
    begun_at,
    clocks_after,
    prepared,
    published,
    stored_book,
    troubled_logs,
    until_taken,
)
from tests.kafka.worker_process import WorkerProcess, append, until_committed

HANGS = """
from tapeline import Needs, Strategy


class Hangs(Strategy):
    def setup(self, config):
        return Needs(cold=True)

    def on_bar(self, bar, now):
        self.memory["bars"] = self.memory.get("bars", 0) + 1
        while self.memory["bars"] == 3:
            pass
"""


async def test_a_host_begins_with_snapshots_of_workers_at_the_instant_that_is_named(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix, tmp_path)
    # More than a session, so that the snapshots lie behind most of it.
    logs = troubled_logs(1_900)
    for partition, log in logs.items():
        await append(config, partition, log)
    with WorkerProcess(config, tmp_path / "worker") as worker:
        await until_committed(config, [len(each) for each in logs.values()], [worker])
        assert worker.drain() == 0
    started = next(each for each in logs[0][1_700:] if isinstance(each, Bar))
    begin = instant_text(started.start_ms).replace(" ", "T")
    options = ["--from", begin]
    with HostProcess(config, tmp_path / "host", options=options) as host:
        for partition, clocks in clocks_after(logs).items():
            await append(config, partition, clocks)
        await until_taken(config, {each: len(logs[each]) + 1 for each in logs}, [host])
        assert host.drain() == 0
    begins = await begun_at(config)
    assert all(1_000 < each < 1_900 for each in begins.values())
    found = re.search(r"reading from \{0: (\d+), 1: (\d+)\}", host.output())
    assert found is not None
    assert all(1_000 < int(each) < 1_700 for each in found.groups()), "from the snapshots on"
    outputs = await assert_as_replayed(config, begins)
    assert outputs.count("signal") > 10


async def test_another_version_is_refused_until_it_is_accepted_and_begins_anew(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix, tmp_path)
    logs = troubled_logs(120)
    host = HostProcess(config, tmp_path / "host")
    with host:
        await host.until(FOLLOWS)
        for partition, log in logs.items():
            await append(config, partition, log[:60])
        await until_taken(config, {0: 40, 1: 40}, [host])
        assert host.drain() == 0
    before = await stored_book(config)
    assert before.checkpoint is not None
    source = tmp_path / "busy.py"
    source.write_text(source.read_text("utf-8") + "\n# Another one.\n", "utf-8")
    with host:
        assert host.wait() == 2
        assert "busy0 of " in host.last_words()
        assert "(--accept busy0)" in host.last_words()
    assert (await stored_book(config)).end == before.end, "nothing was written"
    accepting = HostProcess(config, tmp_path / "host", options=["--accept", "busy0"])
    with accepting:
        for partition, log in logs.items():
            await append(config, partition, log[60:])
        for partition, clocks in clocks_after(logs).items():
            await append(config, partition, clocks)
        after = await until_taken(config, {0: 121, 1: 121}, [accepting])
        assert accepting.drain() == 0
    versions = [each.records["strategy|busy0"]["version"] for each in (before, after)]
    assert versions[0] != versions[1]
    found = await published(config)
    facts = [
        orjson.loads(each.value)
        for messages in found.messages.values()
        for each in messages
        if each.type == "strategy"
    ]
    assert [each["version"] for each in facts] == versions
    assert facts[-1]["step"] >= before.checkpoint.step
    # Accepted once, it goes on, with the same words or without.
    for again in (accepting, host):
        with again:
            await again.until(FOLLOWS)
            assert again.drain() == 0
    assert (await stored_book(config)).records == after.records


async def test_a_call_that_hangs_ends_the_process_and_the_third_start_before_it_calls(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "hangs.py").write_text(HANGS, "utf-8")
    logs = troubled_logs(60)
    symbol = logs[0][0].symbol
    more = (
        f'\n[host]\nhang_seconds = 1\n\n[strategies.hangs]\nmodule = "{tmp_path}/hangs.py:Hangs"\n'
        f'symbols = ["{symbol}"]\n'
    )
    config = await prepared(broker, topic_prefix, tmp_path, more, books=0)
    with HostProcess(config, tmp_path / "host") as host:
        # Two books: `default` has one of its own.
        await host.until(FOLLOWS)
        await append(config, 0, logs[0])
        for _ in range(2):
            assert host.wait() == 70
            assert "has not returned for 1 s" in host.last_words()
            assert "hangs.py" in host.last_words()
            host.start()
        assert host.wait() == 70
        last = host.last_words()
        assert "2 starts at step" in last
        assert "at partition 0 offset" in last
        assert "enabled = false" in last
        host.start()
        assert host.wait() == 70
        assert "2 starts at step" in host.last_words()


async def test_topics_of_hosts_that_are_missing_are_named_with_the_command(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix, tmp_path)
    name = host_state_topic(topic_prefix)
    await delete_named([name], broker.brokers)
    with HostProcess(config, tmp_path / "host") as host:
        assert host.wait() == 2
    assert f"missing, or not to be read: {name}; run tapeline topics create" in host.last_words()


async def test_a_log_that_was_made_again_stops_a_host_with_both_offsets(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix, tmp_path)
    logs = troubled_logs(60)
    for partition, log in logs.items():
        await append(config, partition, log)
    with HostProcess(config, tmp_path / "host") as host:
        await host.until(FOLLOWS)
        assert host.drain() == 0
        name = input_log(topic_prefix)
        await delete_named([name], broker.brokers)
        await create_topics(config.kafka, broker.brokers)
        await append(config, 0, logs[0][:50])
        host.start()
        assert host.wait() == 70
    assert f"{name} partition 0 ends at offset 50, the state of the book includes all below 60" in (
        host.last_words()
    )
