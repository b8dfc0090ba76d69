"""What lies in the topics of one partition against what must lie there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Reject
from tapeline.streams.core.engine import GroupEngine, StateIncompleteError
from tapeline.streams.drill.messages import FACTS, TopicMessage, kept, view
from tapeline.streams.drill.oracle import Expected, ExpectedLetter
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.worker.state.records import offset_of, read_partition


class DrillDifferences(Struct):
    """What a comparison found; of several partitions they add up.

    Attributes
    ----------
    messages
        Messages of facts and dead letters that must be there, repetitions not counted.
    missing, extra, different
        Ids with a message that is not there, must not be there, or has other content, in what a
        consumer sees that drops by `seq`.
    identical
        Repetitions equal to the byte: what a consumer drops.
    differing
        Ids with a repetition that has other content, or came before its time.
    table
        Ids whose last message is not the one that must be last.
    holes
        Where the log does not go on with the next offset.
    state
        Groups and partitions whose stored state is not that of the fold.
    """

    messages: int = 0
    missing: set[str] = field(default_factory=set)
    extra: set[str] = field(default_factory=set)
    different: set[str] = field(default_factory=set)
    identical: int = 0
    differing: set[str] = field(default_factory=set)
    table: set[str] = field(default_factory=set)
    holes: set[str] = field(default_factory=set)
    state: set[str] = field(default_factory=set)


def compare_facts(
    expected: Sequence[TopicMessage], found: Sequence[TopicMessage], differences: DrillDifferences
) -> None:
    """Add what is not right with the messages of one topic and partition."""
    seen = kept(found)
    due = {each.seq: each for each in expected}
    there = {each.seq: each for each in seen.messages}
    differences.messages += len(due)
    differences.missing.update(due[seq].key for seq in due.keys() - there.keys())
    differences.extra.update(there[seq].key for seq in there.keys() - due.keys())
    both = due.keys() & there.keys()
    differences.different.update(due[seq].key for seq in both if due[seq] != there[seq])
    differences.identical += seen.identical
    differences.differing.update(each.key for each in seen.differing)
    _compare_tables(view(expected), view(found), differences.table)


def compare_letters(
    expected: Expected, records: Iterable[Any], differences: DrillDifferences
) -> None:
    """Add what is not right with the dead letters of one partition; they have no `seq`."""
    due = expected.letters
    differences.messages += len(due)
    values: dict[str, bytes] = {}
    for record in records:
        key = record.key.decode()
        if key not in values:
            values[key] = record.value
        elif values[key] == record.value:
            differences.identical += 1
        else:
            differences.differing.add(key)
    there = {key: _letter(value) for key, value in values.items()}
    differences.missing.update(due.keys() - there.keys())
    differences.extra.update(there.keys() - due.keys())
    both = due.keys() & there.keys()
    differences.different.update(key for key in both if due[key] != there[key])


def compare_outputs(
    expected: Expected, found: Mapping[str, Sequence[TopicMessage]], differences: DrillDifferences
) -> None:
    """Add what is not right with the facts of one partition, topic by topic."""
    for kind in FACTS:
        compare_facts(expected.facts[kind], found.get(kind, ()), differences)


def compare_state(
    config: Config,
    partition: int,
    expected: Expected,
    changelog: Iterable[Any],
    differences: DrillDifferences,
) -> None:
    """Add groups whose state in the changelog, as recovery reads it, is not that of the fold."""
    latest: dict[bytes, bytes] = {}
    for record in changelog:
        known = latest.get(record.key)
        # Of a worker that slept an older state may come later: recovery leaves it out, too.
        if known is None or offset_of(known) <= offset_of(record.value):
            latest[record.key] = record.value
    stored = read_partition(latest.items())
    if (stored.checkpoint or 0) != expected.records:
        differences.state.add(
            f"partition {partition}: next offset {stored.checkpoint or 0}, not {expected.records}"
        )
    if stored.admitted != expected.admitted:
        differences.state.add(f"partition {partition}: {len(stored.admitted)} symbols admitted")
    engines = expected.router.engines
    for group in engines.keys() | stored.groups.keys():
        if group not in engines or group not in stored.groups:
            differences.state.add(group)
            continue
        try:
            restored = GroupEngine.restore(plan_group(config, group), stored.groups[group].records)
        except StateIncompleteError as error:
            differences.state.add(f"{group}: {error}")
            continue
        if restored.snapshot() != engines[group].snapshot():
            differences.state.add(group)


def compare_offsets(name: str, offsets: Iterable[int], differences: DrillDifferences) -> None:
    """Add the points where offsets of the log do not follow each other from 0 on."""
    due = 0
    for offset in offsets:
        if offset != due:
            differences.holes.add(f"{name}: {offset} follows {due - 1}")
        due = offset + 1


def _compare_tables(due: dict[str, bytes], there: dict[str, bytes], found: set[str]) -> None:
    found.update(due.keys() ^ there.keys())
    found.update(key for key in due.keys() & there.keys() if due[key] != there[key])


def _letter(value: bytes) -> ExpectedLetter:
    reject = msgspec.json.decode(value, type=Reject)
    return ExpectedLetter(reject.id, reject.code, reject.raw)
