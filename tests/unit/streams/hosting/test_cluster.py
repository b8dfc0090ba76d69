"""Which topics a host cannot run without, and what it says when they are missing."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.topics import worker_topics
from tapeline.streams.errors import TopicsError
from tapeline.streams.hosting.cluster import host_reports, hosting_topics
from tapeline.streams.kafka.topics import FoundTopic, reports, wanted_topics
from tapeline.streams.worker.cluster import judge_topics

OWN = {
    "tape.signals.v1",
    "tape.signal.notes.v1",
    "tape.decisions.v1",
    "tape.account.v1",
    "tape.strategies.v1",
    "tape.host.state.v1",
}


def test_a_host_needs_the_log_snapshots_and_topics_of_its_own_and_a_worker_none_of_these() -> None:
    assert set(hosting_topics()) == OWN | {"tape.bars.v1", "tape.snapshots.v1"}
    assert not OWN.intersection(worker_topics())


def test_topics_that_were_made_before_there_were_hosts_are_named_with_the_command() -> None:
    wanted = wanted_topics(KafkaConfig())
    there = {
        each.name: FoundTopic(each.name, each.partitions, each.replication, each.settings)
        for each in wanted
        if each.name in worker_topics()
    }
    with pytest.raises(TopicsError, match="run tapeline topics create") as error:
        judge_topics(host_reports(reports(wanted, there), "tape"))
    assert all(name in str(error.value) for name in OWN)
    assert "tape.bars.v1" not in str(error.value)
