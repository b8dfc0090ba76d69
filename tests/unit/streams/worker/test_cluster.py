"""What a worker reports of the cluster when it cannot go on."""

from __future__ import annotations

import socket

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import host_state_topic, host_topics
from tapeline.streams.errors import TopicsError
from tapeline.streams.kafka.topics import FoundTopic, TopicReport, wanted_topics
from tapeline.streams.kafka.topics import reports as topic_reports
from tapeline.streams.worker.cluster import explained, judge_topics, worker_reports
from tapeline.streams.worker.exits import NotWrittenError
from tests.unit.schemas.toys import TOY, TOYS


async def test_where_no_broker_answers_the_way_out_is_the_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    error = NotWrittenError("tape.bars.v1", "tape.bars.v1 partition 3 cannot be written (X)")
    found = await explained(error, Brokers(address))
    assert found.topic == "tape.bars.v1"
    assert str(found) == (
        "tape.bars.v1 partition 3 cannot be written (X). Look after the broker and start this "
        "again: what was not acknowledged is sent again"
    )


def reports(registry: Registry, missing: tuple[str, ...]) -> list[TopicReport]:
    """The state of the topics of a cluster of which some are missing."""
    wanted = wanted_topics(KafkaConfig(), registry)
    there = {
        each.name: FoundTopic(each.name, each.partitions, each.replication, each.settings)
        for each in wanted
        if each.name not in missing
    }
    return list(topic_reports(wanted, there))


def test_a_worker_names_the_topics_that_are_missing_and_the_command() -> None:
    needed = worker_reports(reports(TOYS, ("tape.toys.v1", "tape.gaps.v1")), "tape", TOYS)
    with pytest.raises(TopicsError) as caught:
        judge_topics(needed)
    message = str(caught.value)
    assert "tape.gaps.v1, tape.toys.v1; run tapeline topics create" in message


def test_a_worker_needs_no_topic_that_it_neither_reads_nor_writes() -> None:
    of_feeds = EVENTS.with_(replace(TOY, origin="feed", numbered=False, position=None))
    found = reports(of_feeds, ("tape.toys.v1",))
    assert [each.wanted.name for each in found if each.found is None] == ["tape.toys.v1"]
    needed = worker_reports(found, "tape", of_feeds)
    judge_topics(needed)
    left = {each.wanted.name for each in found} - {each.wanted.name for each in needed}
    of_hosts = {*host_topics(), host_state_topic()}
    assert left == {"tape.toys.v1", "tape.feeds.v1"} | of_hosts
