"""The catalogue of topics against the decisions of the contracts."""

from __future__ import annotations

import pytest

from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import (
    Topic,
    catalogue,
    changelog_topic,
    host_state_topic,
    host_topics,
    input_log,
    output_topics,
    run_of,
    run_prefix,
    run_topics,
    snapshot_topic,
    store_topics,
    topic_of,
    worker_app_id,
    worker_topics,
)

DAY_MS = 86_400_000
FOREVER = str(2**63 - 1)


def topics() -> dict[str, Topic]:
    return {topic.name: topic for topic in catalogue()}


def test_the_outputs_come_in_the_order_of_the_contracts() -> None:
    assert output_topics() == (
        "tape.bars.derived.v1",
        "tape.sessions.v1",
        "tape.quality.v1",
        "tape.gaps.v1",
        "tape.indicators.v1",
        "tape.windows.v1",
        "tape.ranges.v1",
        "tape.touches.v1",
        "tape.pairs.v1",
        "tape.swings.v1",
        "tape.rejects.v1",
    )


def test_every_event_type_has_its_topic() -> None:
    assert tuple(topic_of(event_type) for event_type in EVENTS.folded) == output_topics()
    of_feeds = set(EVENTS.types) - {*EVENTS.folded, *EVENTS.hosted}
    assert {topic_of(event_type) for event_type in of_feeds} == {"tape.feeds.v1"}


HOSTS = (
    "tape.signals.v1",
    "tape.signal.notes.v1",
    "tape.decisions.v1",
    "tape.account.v1",
    "tape.strategies.v1",
)


def test_topics_of_hosts_are_named_once_and_no_fold_writes_them() -> None:
    assert host_topics() == HOSTS
    assert {topic_of(tag) for tag in EVENTS.hosted} == set(HOSTS)
    assert not set(HOSTS) & set(output_topics())
    assert set(HOSTS) < set(store_topics())
    events = {topic.type: topic.events for topic in topics().values() if topic.name in HOSTS}
    assert events["account"] == ("order", "fill", "position", "account")
    assert events["signal"] == ("signal",)


def test_a_worker_needs_no_topic_of_feeds_and_hosts() -> None:
    others = {"tape.feeds.v1", *HOSTS, "tape.host.state.v1"}
    assert set(topics()) - set(worker_topics()) == others


def test_an_unknown_event_type_has_no_topic() -> None:
    with pytest.raises(KeyError):
        topic_of("bar")


def test_the_catalogue_is_log_outputs_snapshots_and_changelog() -> None:
    assert list(topics()) == [
        "tape.bars.v1",
        *output_topics(),
        "tape.feeds.v1",
        *HOSTS,
        "tape.snapshots.v1",
        "tape-worker-state-changelog",
        "tape.host.state.v1",
    ]


def test_the_prefix_replaces_tape_in_every_name() -> None:
    assert all(topic.name.startswith("desk") for topic in catalogue("desk"))
    assert output_topics("desk") == tuple(topic_of(each, "desk") for each in EVENTS.folded)
    assert topic_of("touch", "desk") == "desk.touches.v1"
    assert input_log("desk") == "desk.bars.v1"
    assert snapshot_topic("desk") == "desk.snapshots.v1"
    assert host_state_topic("desk") == "desk.host.state.v1"
    assert changelog_topic("desk") == f"{worker_app_id('desk')}-state-changelog"


LOG_SETTINGS = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": FOREVER,
    "message.timestamp.before.max.ms": FOREVER,
    "segment.ms": FOREVER,
}
OUTPUT_SETTINGS = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(7 * DAY_MS),
    "delete.retention.ms": str(30 * DAY_MS),
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": FOREVER,
    "segment.ms": FOREVER,
}
REJECT_SETTINGS = {
    "cleanup.policy": "delete",
    "retention.ms": str(30 * DAY_MS),
    "message.timestamp.type": "LogAppendTime",
}
FEEDS_SETTINGS = {
    "cleanup.policy": "compact,delete",
    "retention.ms": str(30 * DAY_MS),
    "message.timestamp.type": "LogAppendTime",
}
SNAPSHOT_SETTINGS = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
CHANGELOG_SETTINGS = {
    "cleanup.policy": "compact",
    "message.timestamp.type": "LogAppendTime",
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.1",
    "min.compaction.lag.ms": "3600000",
    "max.message.bytes": str(16 * 1024 * 1024),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tape.bars.v1", LOG_SETTINGS),
        *((name, OUTPUT_SETTINGS) for name in output_topics()[:-1]),
        ("tape.rejects.v1", REJECT_SETTINGS),
        ("tape.feeds.v1", FEEDS_SETTINGS),
        ("tape.snapshots.v1", SNAPSHOT_SETTINGS),
        *((name, OUTPUT_SETTINGS) for name in HOSTS),
        ("tape-worker-state-changelog", CHANGELOG_SETTINGS),
        ("tape.host.state.v1", CHANGELOG_SETTINGS),
    ],
)
def test_a_topic_has_the_settings_that_were_decided(name: str, expected: dict[str, str]) -> None:
    settings = topics()[name].settings
    assert {key: settings.get(key) for key in expected} == expected


def test_the_dead_letter_of_the_largest_record_fits_into_its_topic() -> None:
    largest = int(topics()["tape.bars.v1"].settings["max.message.bytes"])
    room = int(topics()["tape.rejects.v1"].settings["max.message.bytes"])
    assert room > largest * 4 / 3 + 100_000


@pytest.mark.parametrize(
    ("name", "key"),
    [("tape.bars.v1", "symbol"), *((name, "id") for name in (*output_topics(), *HOSTS))],
)
def test_the_log_is_keyed_by_symbol_and_outputs_by_id(name: str, key: str) -> None:
    assert topics()[name].key == key


def test_a_run_has_outputs_set_as_the_workers_are_and_a_manifest() -> None:
    *outputs, manifest = run_topics("day-2")
    live = topics()
    assert len(outputs) == len(output_topics())
    for topic in outputs:
        twin = live[topic.name.replace("tape.run.day-2.", "tape.")]
        assert (topic.type, topic.key, topic.settings) == (twin.type, twin.key, twin.settings)
    assert manifest.name == "tape.run.day-2.manifest.v1"
    assert manifest.settings["cleanup.policy"] == "compact"


def test_a_run_with_strategies_has_the_topics_of_hosts_too() -> None:
    own = {topic.name.replace("tape.run.day-2.", "tape.") for topic in run_topics("day-2")}
    hosted = run_topics("day-2", hosted=True)
    found = {topic.name.replace("tape.run.day-2.", "tape.") for topic in hosted}
    assert found - own == set(HOSTS)


def test_the_topic_of_a_run_names_its_run_and_no_other_does() -> None:
    for topic in run_topics("day-2", "x.y", hosted=True):
        assert run_of(topic.name, "x.y") == "day-2"
        assert run_of(topic.name) is None
    for name in (*topics(), "tape.run.a.bars.v1", "tape.run.a_b.touches.v1", "tape.run.touches.v1"):
        assert run_of(name) is None


@pytest.mark.parametrize("run_id", ["", "a.b", "a_b", "-a", "x" * 65, "a b"])
def test_what_could_be_read_otherwise_is_no_run_id(run_id: str) -> None:
    with pytest.raises(ValueError, match="run id"):
        run_prefix(run_id)
