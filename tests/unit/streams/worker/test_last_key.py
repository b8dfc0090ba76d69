"""The key of the last record is the one that a look at every record gives, in any chunks."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.codec import CodecError, RecordDecoder
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.schemas.topics import input_log, snapshot_topic
from tapeline.streams.kafka.shown import Shown
from tapeline.streams.kafka.snapshots import label_of
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.worker.fold import Counts, PartitionFold
from tapeline.streams.worker.state.records import StoredPartition, batches, read_partition
from tests.unit.streams.worker.log_records import Raw, chunk, raw_records

CONFIG = read_config(
    """
    [instruments.ROUND]
    calendar = "24/7"
    tick = 0.01
    max_ahead = "0s"

    [instruments.SHORT]
    calendar = "XNYS"
    tick = 0.01
    base = "60m"

    [instruments.STOCK]
    calendar = "XNYS"
    tick = 0.01
    """,
    "test",
)
ROOMY = 1 << 24
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
OPEN_MS = 1_764_167_400_000
"""2025-11-26 09:30 in New York; the next session but one ends at 13:00."""
DECODE = RecordDecoder().decode


def bar(symbol: str, start_ms: int, price: float = 1.0) -> Bar:
    interval = "60m" if symbol == "SHORT" else "1m"
    return Bar(symbol, interval, start_ms, price, price, price, price, 1)


def records(seed: int, count: int) -> list[LogRecord | bytes]:
    """Runs of bars, and between them what is refused, late, off session, or far ahead."""
    random = Random(seed)
    found: list[LogRecord | bytes] = []
    now = OPEN_MS + random.choice([-30, 0, 380]) * MINUTE
    while len(found) < count:
        kind = random.randrange(12)
        minutes = random.choice([-1_500, -3, 0, 5, 700, 30 * 1_440, 40 * 1_440])
        other = now + minutes * MINUTE
        if kind < 5:
            symbol = random.choice(["ROUND", "STOCK"])
            for _ in range(random.choice([1, 3, 8])):
                found.append(bar(symbol, now))
                now += MINUTE
        elif kind == 5:
            now += random.choice([1, 1, 36]) * random.choice([MINUTE, HOUR, DAY])
        elif kind == 6:
            start = OPEN_MS + (now - OPEN_MS) // HOUR * HOUR
            found.append(bar("SHORT", start))
        elif kind == 7:
            found.append(bar(random.choice(["ROUND", "STOCK"]), other, 1.001))
        elif kind == 8:
            found.append(bar(random.choice(["ROUND", "STOCK"]), other))
        elif kind == 9:
            found.append(Clock(random.choice(["ROUND", "STOCK", "SHORT"]), other))
        elif kind == 10:
            found.append(Cancel("ROUND", "1m", other))
        else:
            found.append(b"?" if random.random() < 0.5 else bar("ROUND", now // 1_000))
    return found


def keys_of(raws: list[Raw]) -> list[int]:
    contents: list[LogRecord | Refusal] = []
    for each in raws:
        try:
            contents.append(DECODE(each.value or b""))
        except CodecError as error:
            contents.append(Refusal(error.code, error.reason, error.symbol))
    return Shown(CONFIG.time).take(contents)


def taken(
    raws: list[Raw], cuts: list[int], restarts: set[int], most_again: int | None
) -> tuple[dict[int, int], dict[int, int]]:
    """By offset the keys that steps ended with, and those that snapshots name."""
    table: dict[bytes, bytes] = {}
    ends: dict[int, int] = {}
    labels: dict[int, int] = {}
    fold = PartitionFold(CONFIG, input_log(), 0, 1, StoredPartition(), Counts())
    for first, end in pairwise([0, *cuts, len(raws)]):
        at = first
        while at < end:
            step = fold.fold(chunk(raws[at:end]), most_again)
            at = step.next_offset
            ends[at - 1] = step.shown_ms
            messages: list[Any] = step.outputs.get(snapshot_topic(), [])
            for each in messages:
                label = label_of(each.key, dict(each.headers))
                if label is not None:
                    labels[label.offset] = label.shown_ms
            for batch in batches(step.state.changes(), step.checkpoint(), ROOMY):
                table.update(batch)
        if end in restarts:
            fold = PartitionFold(CONFIG, input_log(), 0, 1, read_partition(table.items()), Counts())
    return ends, labels


@given(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 39), unique=True, max_size=6),
    st.sampled_from([None, 0]),
    st.data(),
)
def test_it_is_what_a_look_at_every_record_gives(
    seed: int, cuts: list[int], most_again: int | None, data: st.DataObject
) -> None:
    raws = raw_records(records(seed, 40))
    cuts.sort()
    restarts = data.draw(st.sets(st.sampled_from(cuts))) if cuts else set()
    ends, labels = taken(raws, cuts, restarts, most_again)
    keys = keys_of(raws)
    assert ends == {offset: keys[offset] for offset in ends}
    assert labels == {offset: keys[offset] for offset in labels}


@pytest.mark.parametrize(
    ("between", "shows"),
    [
        (bar("ROUND", OPEN_MS + 20 * DAY, 1.001), OPEN_MS + 20 * DAY + MINUTE),
        (bar("ELSEWHERE", OPEN_MS + 20 * DAY), OPEN_MS + 20 * DAY + MINUTE),
        (Clock("STOCK", OPEN_MS + 36 * DAY), OPEN_MS + 2 * MINUTE),
        (b"?", OPEN_MS + 2 * MINUTE),
        (bar("STOCK", OPEN_MS + 8 * HOUR), OPEN_MS + 8 * HOUR + MINUTE),
        # The last slot of a session is of half an hour; its end in the order is of an hour.
        (bar("SHORT", OPEN_MS + 6 * HOUR), OPEN_MS + 7 * HOUR),
    ],
    ids=["refused", "of any symbol", "too far ahead", "unreadable", "off session", "cut short"],
)
def test_a_record_counts_whatever_becomes_of_it(between: LogRecord | bytes, shows: int) -> None:
    log = [bar("ROUND", OPEN_MS), between, bar("ROUND", OPEN_MS + MINUTE)]
    ends, _ = taken(raw_records(log), [], set(), None)
    assert ends == {2: shows}


def test_before_anything_is_shown_there_is_none() -> None:
    ends, _ = taken(raw_records([b"?", bar("ROUND", 1)]), [1], {1}, None)
    assert ends == {0: FAR_PAST_MS, 1: FAR_PAST_MS}
