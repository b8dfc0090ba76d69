"""The total order: a merge by (event time, partition, offset), however the records arrive."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tapeline.replay.sources.items import LogItem
from tapeline.replay.sources.order import TotalOrder
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
