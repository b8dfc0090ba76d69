"""`tapeline topics` on a broker: made as in the catalogue, refused when they differ, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import NewTopic

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.topics import catalogue, changelog_topic, input_log, topic_of
from tapeline.streams.cli import main as cli
from tapeline.streams.errors import BrokerError, TopicsError
from tapeline.streams.kafka.administration import create_topics, delete_topics, describe_topics
from tapeline.streams.kafka.connection import admin_client
from tapeline.streams.worker.cluster import judge_topics
from tests.kafka.broker import Broker, free_ports, require_broker
from tests.unit.schemas.toys import TOYS

COUNT = len(catalogue("tape"))


@pytest.fixture
def kafka(topic_prefix: str, broker: Broker) -> KafkaConfig:
    return KafkaConfig(bootstrap=broker.bootstrap, topic_prefix=topic_prefix, partitions=3)


async def test_every_setting_of_the_catalogue_is_in_force_on_the_broker(
    kafka: KafkaConfig,
) -> None:
    before = await create_topics(kafka, kafka.brokers)
    assert {report.state for report in before} == {"missing"}
    after = await describe_topics(kafka, kafka.brokers)
    assert [report.state for report in after] == ["as wanted"] * COUNT
    found = {each.wanted.name: each.found for each in after}
    for topic in catalogue(kafka.topic_prefix):
        there = found[topic.name]
        assert there is not None
        assert (there.partitions, there.replication) == (3, 1)
        assert topic.settings.items() <= there.settings.items()


async def test_making_topics_again_changes_nothing_and_makes_only_what_is_missing(
    kafka: KafkaConfig,
) -> None:
    await create_topics(kafka, kafka.brokers)
    touches = topic_of("touch", kafka.topic_prefix)
    async with admin_client(kafka.brokers) as admin:
        await admin.delete_topics([touches])
        while touches in await admin.list_topics():
            pass
    again = await create_topics(kafka, kafka.brokers)
    assert [each.wanted.name for each in again if each.found is None] == [touches]
    third = await create_topics(kafka, kafka.brokers)
    assert {report.state for report in third} == {"as wanted"}


async def test_the_topic_of_a_new_type_of_events_is_added_to_a_cluster_that_is_there(
    kafka: KafkaConfig,
) -> None:
    await create_topics(kafka, kafka.brokers)
    toys = topic_of("toy", kafka.topic_prefix, TOYS)
    described = await describe_topics(kafka, kafka.brokers, TOYS)
    with pytest.raises(TopicsError, match=f"{toys}; run tapeline topics create"):
        judge_topics(described)
    added = await create_topics(kafka, kafka.brokers, TOYS)
    assert [each.wanted.name for each in added if each.found is None] == [toys]
    after = await describe_topics(kafka, kafka.brokers, TOYS)
    assert {report.state for report in after} == {"as wanted"}
    judge_topics(after)
    async with admin_client(kafka.brokers) as admin:
        await admin.delete_topics([toys])


async def test_a_topic_that_differs_is_named_with_every_difference_and_nothing_is_made(
    kafka: KafkaConfig,
) -> None:
    log = input_log(kafka.topic_prefix)
    settings = {"retention.ms": "1000", "cleanup.policy": "delete"}
    async with admin_client(kafka.brokers) as admin:
        await admin.create_topics([NewTopic(log, 2, 1, topic_configs=settings)])
        while log not in await admin.list_topics():
            pass
    with pytest.raises(TopicsError) as refused:
        await create_topics(kafka, kafka.brokers)
    output = str(refused.value)
    assert f"{log}: partitions is 2, not 3" in output
    assert f"{log}: retention.ms is 1000, not -1" in output
    assert "cleanup.policy" not in output
    states = {each.wanted.name: each.state for each in await describe_topics(kafka, kafka.brokers)}
    assert states.pop(log) == "differs"
    assert set(states.values()) == {"missing"}


async def test_what_the_broker_cannot_make_is_an_error_of_the_configuration(
    kafka: KafkaConfig,
) -> None:
    three = KafkaConfig(topic_prefix=kafka.topic_prefix, replication=3)
    with pytest.raises(TopicsError, match=r"(?i)replication factor"):
        await create_topics(three, kafka.brokers)


async def test_deleted_topics_are_gone_and_deleting_again_finds_none(kafka: KafkaConfig) -> None:
    await create_topics(kafka, kafka.brokers)
    deleted = await delete_topics(kafka, kafka.brokers)
    assert len(deleted) == COUNT
    assert changelog_topic(kafka.topic_prefix) in deleted
    assert await delete_topics(kafka, kafka.brokers) == ()
    assert {each.state for each in await describe_topics(kafka, kafka.brokers)} == {"missing"}


async def test_a_mute_address_is_a_plain_message() -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(BrokerError, match=f"no answer from a broker at {address}"):
        await describe_topics(KafkaConfig(), Brokers(address))


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    require_broker()
    with Broker(tmp_path_factory.mktemp("refusing"), refusing=True) as running:
        yield running


def test_a_broker_that_refuses_is_named_with_what_it_refuses(
    refusing: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = tapeline(capsys, "topics", "create", "--bootstrap", refusing.bootstrap)
    assert (code, out) == (2, "")
    assert f"the broker at {refusing.bootstrap} refuses" in err
    assert "Authorization" in err
    assert err.count("\n") == 1


def tapeline(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(list(arguments))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_commands_create_describe_and_delete(
    kafka: KafkaConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tapeline.toml"
    config.write_text(f'[kafka]\ntopic_prefix = "{kafka.topic_prefix}"\npartitions = 2\n', "utf-8")
    where = ("--config", str(config), "--bootstrap", kafka.bootstrap)
    code, out, _ = tapeline(capsys, "topics", "describe", *where)
    assert (code, out.count("missing")) == (1, COUNT)
    code, out, _ = tapeline(capsys, "topics", "create", *where)
    assert (code, out.count("created ")) == (0, COUNT)
    code, out, _ = tapeline(capsys, "topics", "create", *where, "--json")
    assert (code, json.loads(out)) == (0, {"created": [], "topics": COUNT})
    code, out, _ = tapeline(capsys, "topics", "describe", *where, "--json")
    described: list[dict[str, Any]] = json.loads(out)
    assert code == 0
    assert [each["partitions"] for each in described] == [2] * COUNT
    config.write_text(f'[kafka]\ntopic_prefix = "{kafka.topic_prefix}"\npartitions = 5\n', "utf-8")
    code, out, _ = tapeline(capsys, "topics", "describe", *where)
    assert (code, out.count("partitions is 2, not 5")) == (1, COUNT)
    code, _, err = tapeline(capsys, "topics", "create", *where)
    assert (code, err.count("partitions is 2, not 5")) == (2, COUNT)
    code, _, err = tapeline(capsys, "topics", "delete", *where)
    assert code == 2
    assert "--yes" in err
    code, out, _ = tapeline(capsys, "topics", "delete", *where, "--yes")
    assert (code, out.count("deleted ")) == (0, COUNT)


@pytest.mark.parametrize("command", ["create", "describe"])
def test_a_command_without_a_broker_ends_with_74_and_one_message(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    code, out, err = tapeline(capsys, "topics", command, "--bootstrap", address)
    assert (code, out) == (74, "")
    assert err.count("\n") == 1
    assert address in err


def test_a_wrong_address_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = tapeline(capsys, "topics", "create", "--bootstrap", "nowhere")
    assert code == 2
    assert "--bootstrap" in err
