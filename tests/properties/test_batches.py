"""Outcomes do not depend on how a log is cut into batches, or where a drive was restarted."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Output
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.drive import Drive, Item
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot
from tests.properties.books import BookShape, config_for, make_book, shapes
from tests.properties.disorder import disordered
from tests.properties.folding import encoded

LENGTH = 300
Step = tuple[int, str, bytes, int | None]
"""Offset, outcome or code, bytes of the events, watermark."""


class Steps:
    """Everything that a drive hands over."""

    every = True

    def __init__(self) -> None:
        self.found: list[Step] = []
        self.passed_over: list[int] = []

    def took(self, item: Item, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        self.found.append(step_of(item[0], outcome))
        return True

    def refused(self, item: Item, refusal: Refusal) -> None:
        self.found.append((item[0], refusal.code, b"", None))

    def passed(self, item: Item) -> None:
        self.passed_over.append(item[0])

    def resumes(self, slot: GroupSlot) -> None:
        raise AssertionError("nothing was held")


def step_of(offset: int, outcome: Outcome) -> Step:
    events: list[Output] = outcome.events
    return offset, outcome.kind, encoded(events), outcome.watermark_ms


def log_of(shape: BookShape, config: Config, seed: int) -> list[Item]:
    """Disorder of two symbols with some records that are refused; offsets with holes."""
    records = disordered(make_book("A", shape) + make_book("B", shape), config, seed)[:LENGTH]
    contents: list[Any] = []
    for number, record in enumerate(records):
        if (number + seed) % 11 == 0:
            contents.append(b"{")
        if (number + seed) % 17 == 0 and isinstance(record, Bar):
            contents.append(encode(Bar(record.symbol, "7m", record.start_ms, 1.0, 1.0, 1.0, 1.0)))
        contents.append(encode(record) if number % 3 else record)
    return [(3 * number + seed % 2, content, 0) for number, content in enumerate(contents)]


def one_by_one(config: Config, log: list[Item]) -> tuple[list[Step], Counter[str]]:
    """Each record by `Drive.apply`, in a loop of the test's own."""
    drive = Drive(Router(config))
    found: list[Step] = []
    for offset, content, _ in log:
        steps = Steps()
        if isinstance(content, bytes):
            # Decoding is the drive's.
            drive.apply_many([(offset, content, 0)], steps)
            found += steps.found
            continue
        try:
            found.append(step_of(offset, drive.apply(content, offset)))
        except RecordRejected as error:
            found.append((offset, error.code, b"", None))
    return found, drive.outcomes


def in_batches(config: Config, log: list[Item], cuts: list[int]) -> tuple[list[Step], Counter[str]]:
    drive, steps = Drive(Router(config)), Steps()
    for first, end in pairwise([0, *cuts, len(log)]):
        drive.apply_many(log[first:end], steps)
    assert steps.passed_over == []
    return steps.found, drive.outcomes


@given(
    shape=shapes(sessions=(1, 1)),
    seed=st.integers(0, 999),
    pieces=st.lists(st.integers(0, 2_000), max_size=12),
)
def test_batches_of_any_size_give_the_outcomes_of_single_records(
    shape: BookShape, seed: int, pieces: list[int]
) -> None:
    config = config_for(shape, ("A", "B"))
    log = log_of(shape, config, seed)
    cuts = sorted(piece % (len(log) + 1) for piece in pieces)
    single = one_by_one(config, log)
    assert in_batches(config, log, cuts) == single
    assert in_batches(config, log, []) == single


@given(shape=shapes(sessions=(1, 1)), seed=st.integers(0, 999), cut=st.integers(0, 2_000))
def test_a_drive_restarted_anywhere_goes_on_where_its_states_end(
    shape: BookShape, seed: int, cut: int
) -> None:
    config = config_for(shape, ("A", "B"))
    log = log_of(shape, config, seed)
    cut %= len(log) + 1
    whole, _ = in_batches(config, log, [])
    before, early = Drive(Router(config)), Steps()
    before.apply_many(log[:cut], early)
    states = {
        group: json.loads(json.dumps(engine.snapshot()))
        for group, engine in before.router.engines.items()
    }

    def restored(group: str) -> GroupSlot:
        plan = plan_group(config, group)
        engine = GroupEngine.restore(plan, states[group]) if group in states else GroupEngine(plan)
        return GroupSlot(group, engine)

    later = Steps()
    Drive(Router(config, restored)).apply_many(log[cut:], later)
    assert later.passed_over == []
    assert early.found + later.found == whole
