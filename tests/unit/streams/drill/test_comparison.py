"""What a drill reports of messages that are missing, extra, changed, repeated or out of order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

import pytest

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.drill.books import drill_config, drill_logs
from tapeline.streams.drill.comparison import (
    DrillDifferences,
    compare_letters,
    compare_offsets,
    compare_outputs,
    compare_state,
)
from tapeline.streams.drill.messages import FACTS, TopicMessage, topic_messages
from tapeline.streams.drill.oracle import expected
from tapeline.streams.drill.report import checks_of
from tapeline.streams.kafka.raw_records import Chunk
from tapeline.streams.outputs.messages import EventMessage
from tapeline.streams.worker.fold import Counts, FoldStep, PartitionFold
from tapeline.streams.worker.state.records import StoredPartition, batches

PREFIX = "tape.drill.test"
CONFIG = drill_config(KafkaConfig(topic_prefix=PREFIX, partitions=4))
PARTITION = 0
RECORDS = 5_000
ROOMY = 1 << 24


class Stored(NamedTuple):
    """A record of the log or of the changelog."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


LOG = [
    Stored(offset, each.time_ms, each.key, each.value)
    for offset, each in enumerate(islice(drill_logs(CONFIG, 7)[PARTITION], RECORDS))
]
DUE = expected(CONFIG, PARTITION, [each.value for each in LOG])
DERIVED = DUE.facts["derived_bar"]


def step_of_a_worker(records: list[Stored]) -> FoldStep:
    """What a worker writes of the log, in one chunk."""
    stored = StoredPartition()
    fold = PartitionFold(
        CONFIG, input_log(PREFIX), PARTITION, CONFIG.kafka.partitions, stored, Counts()
    )
    return fold.fold(Chunk(0, len(records), records))


STEP = step_of_a_worker(LOG)
LETTERS: list[EventMessage] = STEP.outputs[topic_of("reject", PREFIX)]


def changelog(step: FoldStep) -> list[Stored]:
    pairs = [
        each for batch in batches(step.state.changes(), step.checkpoint(), ROOMY) for each in batch
    ]
    return [Stored(offset, 0, *pair) for offset, pair in enumerate(pairs)]


def found(tampered: list[TopicMessage] | None = None) -> DrillDifferences:
    """The differences of what a worker published, its derived bars tampered with."""
    facts = {kind: topic_messages(STEP.outputs.get(topic_of(kind, PREFIX), [])) for kind in FACTS}
    if tampered is not None:
        facts["derived_bar"] = tampered
    differences = DrillDifferences()
    compare_outputs(DUE, facts, differences)
    return differences


def counts(differences: DrillDifferences) -> dict[str, int]:
    """Numbers of ids, by what is wrong with them; of repetitions that are equal, too."""
    return {
        check.name: check.found for check in checks_of(differences, {}, slept=False) if check.found
    }


def test_what_a_worker_publishes_of_a_troubled_book_is_what_it_must() -> None:
    differences = found()
    compare_letters(DUE, LETTERS, differences)
    compare_state(CONFIG, PARTITION, DUE, changelog(STEP), differences)
    compare_offsets("log", range(RECORDS), differences)
    assert counts(differences) == {}
    assert differences.identical == 0
    assert differences.messages == sum(map(len, DUE.facts.values())) + len(DUE.letters)
    assert min(len(DUE.facts[kind]) for kind in FACTS) > 0, "every type of fact is compared"
    assert {each.code for each in DUE.letters.values()} >= {"decode_error", "wrong_partition"}


SENT = Counter(each.key for each in DERIVED)
MIDDLE = next(at for at, each in enumerate(DERIVED) if at > 500 and SENT[each.key] == 1)
FORGED = TopicMessage(DERIVED[-1].seq + 1, "derived_bar|ES|5m|0", 0, "derived_bar", b"{}")
CHANGED = DERIVED[MIDDLE]._replace(value=b"{}")
TAMPERED: list[tuple[str, Callable[[list[TopicMessage]], list[TopicMessage]], dict[str, int]]] = [
    ("removed", lambda all_: all_[:-1], {"missing ids": 1, "table view": 1}),
    ("appended", lambda all_: [*all_, FORGED], {"extra ids": 1, "table view": 1}),
    (
        "changed",
        lambda all_: [*all_[:MIDDLE], CHANGED, *all_[MIDDLE + 1 :]],
        {"different ids": 1, "table view": 1},
    ),
    ("repeated", lambda all_: [*all_[: MIDDLE + 1], *all_[MIDDLE:]], {}),
    (
        "repeated otherwise",
        lambda all_: [*all_, CHANGED],
        {"repetitions that differ": 1, "table view": 1},
    ),
    (
        "out of order",
        lambda all_: [*all_[:-2], all_[-1], all_[-2]],
        {"missing ids": 1, "repetitions that differ": 1},
    ),
]


@pytest.mark.parametrize(
    ("tamper", "wrong"), [each[1:] for each in TAMPERED], ids=[each[0] for each in TAMPERED]
)
def test_a_message_that_was_tampered_with_is_counted_where_it_belongs(
    tamper: Callable[[list[TopicMessage]], list[TopicMessage]], wrong: dict[str, int]
) -> None:
    assert counts(found(tamper(DERIVED))) == wrong


def test_an_earlier_version_at_the_end_is_in_the_table_alone_and_forgiven_to_a_sleeper() -> None:
    later = next(each for each in DERIVED if each.rev > 0)
    earlier = next(each for each in DERIVED if each.key == later.key)
    differences = found([*DERIVED, earlier])
    assert counts(differences) == {"table view": 1}
    assert differences.identical == 1
    assert not all(each.holds for each in checks_of(differences, {}, slept=False))
    assert all(each.holds for each in checks_of(differences, {}, slept=True))


def test_dead_letters_missing_added_or_changed_are_counted_and_repeated_ones_are_not() -> None:
    first, second, third = LETTERS[:3]
    forged = third._replace(value=(third.value or b"").replace(b"_error", b"_horror"))
    added = second._replace(key=b"reject|foreign/0/0")
    differences = DrillDifferences()
    there = [second, *LETTERS[3:], forged, added, second]
    compare_letters(DUE, there, differences)
    assert differences.missing == {first.key.decode()}
    assert differences.extra == {"reject|foreign/0/0"}
    assert differences.different == {third.key.decode()}
    assert differences.identical == 1


@pytest.mark.parametrize("records", [RECORDS - 1, RECORDS - 50])
def test_a_state_that_stopped_before_the_end_is_named(records: int) -> None:
    differences = DrillDifferences()
    compare_state(CONFIG, PARTITION, DUE, changelog(step_of_a_worker(LOG[:records])), differences)
    expected = f"partition {PARTITION}: next offset {records}, not {RECORDS}"
    assert expected in differences.state


def test_a_state_that_lost_a_record_is_named() -> None:
    lost = next(each for each in changelog(STEP) if each.key and b"ES-NQ|revisions/" in each.key)
    differences = DrillDifferences()
    rest = [each for each in changelog(STEP) if each != lost]
    compare_state(CONFIG, PARTITION, DUE, rest, differences)
    (published,) = differences.state
    assert published.startswith(
        "ES-NQ: the state of group ES-NQ is incomplete: there is no 'revisions/"
    )


def test_an_older_state_that_a_sleeper_left_at_the_end_is_passed_over() -> None:
    stale = changelog(step_of_a_worker(LOG[: RECORDS // 2]))
    differences = DrillDifferences()
    compare_state(CONFIG, PARTITION, DUE, [*changelog(STEP), *stale], differences)
    assert differences.state == set()
    compare_state(CONFIG, PARTITION, DUE, stale, differences)
    assert differences.state >= {"ES-NQ"}


def test_a_log_that_does_not_go_on_is_a_hole() -> None:
    differences = DrillDifferences()
    compare_offsets("log", [0, 1, 3], differences)
    assert differences.holes == {"log: 3 follows 1"}


def test_records_that_were_not_committed_fail_a_drill() -> None:
    (check, *_) = checks_of(DrillDifferences(), {2: 17}, slept=True)
    assert (check.found, check.examples, check.holds) == (17, ("partition 2: 17",), False)
