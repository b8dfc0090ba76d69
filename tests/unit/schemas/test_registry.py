"""The registry of event types: a value from which every list of types is derived."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec import Struct
from msgspec.structs import replace

import tapeline
from tapeline.schemas.event_types import EventType, Registry
from tapeline.schemas.events import Event, Reject
from tapeline.schemas.feed_events import FeedEvent
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.registry import EVENTS


def test_the_registry_and_the_static_union_have_the_same_types() -> None:
    numbered = {row.struct for row in EVENTS.rows if row.numbered}
    assert numbered == {*get_args(Event), *get_args(HostEvent)}
    assert {EVENTS.row(tag).struct for tag in EVENTS.hosted} == set(get_args(HostEvent))
    unnumbered = {row.struct for row in EVENTS.rows if not row.numbered}
    assert unnumbered == {Reject, *get_args(FeedEvent)}


def test_the_package_exports_every_struct_of_the_registry() -> None:
    for row in EVENTS.rows:
        assert getattr(tapeline, row.struct.__name__) is row.struct


def test_facts_are_published_in_the_order_of_the_rules() -> None:
    assert EVENTS.published() == (
        "session",
        "derived_bar",
        "quality",
        "gap",
        "indicators",
        "window",
        "range",
        "touch",
        "pair",
        "swing",
    )
    assert set(EVENTS.facts) | {"reject"} == set(EVENTS.folded)


def test_a_registry_with_another_row_is_another_value() -> None:
    row = _row_like("touch", "toys.v1", 65)
    other = EVENTS.with_(row)
    assert row.tag in other
    assert other.rows == (*EVENTS.rows, row)
    assert other.published().index(row.tag) == EVENTS.published().index("touch") + 1
    assert row.tag not in EVENTS
    assert Registry(other.rows) == other


def test_types_of_feeds_share_a_topic_and_no_other_types_do() -> None:
    row = replace(EVENTS.row("hole"), struct=Toy)
    assert row.tag in EVENTS.with_(row)
    with pytest.raises(ValueError, match=r"the topic feeds.v1 has other settings for connection"):
        EVENTS.with_(replace(row, key="symbol"))
    with pytest.raises(ValueError, match=r"two types of events have the topic touches.v1"):
        EVENTS.with_(replace(row, topic="touches.v1"))


def test_no_fold_makes_an_event_of_a_feed() -> None:
    of_feeds = {row.tag for row in EVENTS.rows if row.origin == "feed"}
    assert of_feeds == set(EVENTS.types) - {*EVENTS.folded, *EVENTS.hosted}
    assert len(of_feeds) == len(get_args(FeedEvent))


def test_hosts_of_strategies_publish_eight_types_on_five_topics_and_no_fact() -> None:
    assert EVENTS.hosted == (
        "signal",
        "note",
        "decision",
        "order",
        "fill",
        "position",
        "account",
        "strategy",
    )
    topics = {tag: EVENTS.row(tag).topic for tag in EVENTS.hosted}
    assert set(topics.values()) == {
        "signals.v1",
        "signal.notes.v1",
        "decisions.v1",
        "account.v1",
        "strategies.v1",
    }
    shared = {tag for tag, topic in topics.items() if topic == "account.v1"}
    assert shared == {"order", "fill", "position", "account"}
    assert not {*EVENTS.facts, *EVENTS.folded} & set(EVENTS.hosted)


def test_feeds_and_hosts_have_no_topic_in_common() -> None:
    row = replace(EVENTS.row("fill"), struct=Toy)
    assert row.tag in EVENTS.with_(row).hosted
    with pytest.raises(ValueError, match=r"two types of events have the topic feeds.v1"):
        EVENTS.with_(replace(row, topic="feeds.v1"))
    with pytest.raises(ValueError, match=r"two types of events have the topic account.v1"):
        EVENTS.with_(replace(EVENTS.row("touch"), struct=Toy, topic="account.v1", position=65))


def test_events_of_a_feed_are_no_facts_and_not_of_the_fold() -> None:
    row = replace(_row_like("touch", "toys.v1", None), origin="feed", numbered=False)
    other = EVENTS.with_(row)
    assert row.tag in other.types
    assert row.tag not in other.folded
    assert row.tag not in other.facts


@pytest.mark.parametrize(
    ("topic", "position", "reason"),
    [
        ("touches.v1", 65, "the topic touches.v1"),
        ("toys.v1", 60, "the position 60"),
        ("toys.v1", None, "toy: a fact has a position"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(
    topic: str, position: int | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        EVENTS.with_(_row_like("touch", topic, position))


def test_a_type_is_registered_once() -> None:
    with pytest.raises(ValueError, match="the type touch"):
        EVENTS.with_(replace(EVENTS.row("touch"), topic="toys.v1", position=65))


def test_what_is_no_type_has_no_row() -> None:
    with pytest.raises(KeyError):
        EVENTS.row("trade")
    with pytest.raises(KeyError):
        EVENTS.row_of(Trade())


class Trade(Struct, tag="trade"):
    """No type of the registry."""


class Toy(Struct, frozen=True, tag_field="type", tag="toy"):
    """Another type."""

    id: str


def _row_like(name: str, topic: str, position: int | None) -> EventType:
    return replace(EVENTS.row(name), struct=Toy, topic=topic, position=position)
