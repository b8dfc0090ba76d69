"""The total order: a merge by (event time, partition, offset), however the records arrive."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tapeline.replay.sources.items import LogItem
from tapeline.replay.sources.order import LiveOrder, TotalOrder
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Clock

Logs = dict[int, list[LogItem]]


def logs_of(times: list[list[int]]) -> Logs:
    return {
        partition: [
            LogItem(offset, Clock("ES", time_ms), partition, time_ms, None)
            for offset, time_ms in enumerate(each)
        ]
        for partition, each in enumerate(times)
    }


def merged_by_heads(logs: Logs) -> list[LogItem]:
    """One record of look-ahead: the least head goes first."""
    rest = {partition: list(items) for partition, items in logs.items() if items}
    out = []
    while rest:
        heads = (items[0] for items in rest.values())
        head = min(heads, key=lambda each: (each.time_ms, each.partition, each.offset))
        out.append(rest[head.partition].pop(0))
        if not rest[head.partition]:
            del rest[head.partition]
    return out


TIMES = st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=5)


@given(TIMES, st.integers(0, 1 << 30))
def test_records_that_come_in_any_pieces_have_one_order(times: list[list[int]], seed: int) -> None:
    logs, random = logs_of(times), Random(seed)
    order = TotalOrder(logs)
    rest = {partition: list(items) for partition, items in logs.items()}
    found: list[LogItem] = []
    while rest:
        partition = random.choice(sorted(rest))
        size = random.randrange(3)
        order.add(partition, rest[partition][:size])
        rest[partition] = rest[partition][size:]
        if not rest[partition]:
            del rest[partition]
            order.finish(partition)
        found += order.take()
    assert order.done
    assert found == merged_by_heads(logs)


def test_a_late_record_goes_right_after_those_before_it() -> None:
    logs = logs_of([[10, 3, 12], [5, 11]])
    assert [(each.partition, each.time_ms) for each in merged_by_heads(logs)] == [
        (1, 5),
        (0, 10),
        (0, 3),
        (1, 11),
        (0, 12),
    ]


def test_nothing_is_taken_before_every_partition_has_a_record() -> None:
    logs = logs_of([[10], [5]])
    order = TotalOrder(logs)
    order.add(0, logs[0])
    assert order.take() == []
    order.finish(1)
    assert order.take() == logs[0]


LATER = 7
"""Above all times of `TIMES`."""


@given(TIMES, st.integers(0, 1 << 30))
def test_a_log_without_an_end_has_the_same_order_and_waits_for_nothing_that_cannot_come_before(
    times: list[list[int]], seed: int
) -> None:
    logs, random = logs_of([[*each, LATER, LATER + 1] for each in times]), Random(seed)
    order = LiveOrder(dict.fromkeys(logs, FAR_PAST_MS))
    rest = {partition: list(items) for partition, items in logs.items()}
    came: Logs = {partition: [] for partition in logs}
    found: list[LogItem] = []
    expected = merged_by_heads(logs)
    while rest:
        partition = random.choice(sorted(rest))
        size = random.randrange(3)
        order.add(partition, rest[partition][:size])
        came[partition] += rest[partition][:size]
        rest[partition] = rest[partition][size:]
        if not rest[partition]:
            del rest[partition]
        found += order.take()
        assert found == expected[: len(found)]
        if len(found) < len(expected):
            # The next one has not come, or one that has not may come before it.
            due = expected[len(found)]
            shown = {
                each: max((one.time_ms for one in came[each]), default=FAR_PAST_MS) for each in logs
            }
            taken = {each: sum(one.partition == each for one in found) for each in logs}
            waits = [
                each
                for each in logs
                if taken[each] == len(came[each])
                and (shown[each], each) < (max(due.time_ms, shown_before(due, logs)), due.partition)
            ]
            assert due not in came[due.partition] or waits
    ends = [each for each in expected if each.time_ms <= LATER]
    assert found[: len(ends)] == ends
    assert order.slowest is None or order.waiting(order.slowest) == 0


def shown_before(item: LogItem, logs: Logs) -> int:
    """What a partition has shown before one of its records."""
    before = logs[item.partition][: item.offset]
    return max((each.time_ms for each in before), default=FAR_PAST_MS)


def test_a_partition_that_has_nothing_is_waited_for_and_named() -> None:
    logs = logs_of([[10, 20], [10, 30]])
    order = LiveOrder({0: FAR_PAST_MS, 1: FAR_PAST_MS})
    order.add(0, logs[0])
    assert (order.take(), order.slowest) == ([], 1)
    order.add(1, logs[1][:1])
    # What comes next of partition 1 may be of 10, too: it goes behind those of 10 of partition 0.
    assert order.take() == [logs[0][0], logs[1][0]]
    assert (order.waiting(0), order.slowest) == (1, 1)


def test_what_a_partition_had_shown_before_counts() -> None:
    logs = logs_of([[10], []])
    order = LiveOrder({0: 5, 1: 10})
    order.add(0, logs[0])
    assert order.take() == logs[0], "of partition 1 nothing comes before the first of 10"
