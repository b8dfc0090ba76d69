"""The fold of a partition: the same messages and state in any chunks and after any restart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import built_in_config
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar
from tapeline.schemas.topics import input_log, snapshot_topic, topic_of
from tapeline.streams.core.engine import StateIncompleteError
from tapeline.streams.kafka.log_digest import digest_of
from tapeline.streams.kafka.raw_records import Chunk
from tapeline.streams.kafka.snapshots import label_of
from tapeline.streams.outputs.messages import EventMessage
from tapeline.streams.pipeline.provenance import Identity, IdentityError
from tapeline.streams.pipeline.state_values import unpack
from tapeline.streams.worker.fold import Counts, FoldStep, LogHoleError, PartitionFold
from tapeline.streams.worker.state.records import (
    Pair,
    StateFormatError,
    StoredGroup,
    StoredPartition,
    batches,
    read_partition,
)
from tests.unit.streams.worker.earlier_version import changelog
from tests.unit.streams.worker.log_records import (
    CONFIG,
    SYMBOL,
    Raw,
    chunk,
    equity_log,
    raw_records,
)

LOG = input_log()
ROOMY = 1 << 24
RECORDS = raw_records(equity_log(2))


def fold_of(stored: StoredPartition, partition: int = 0, partitions: int = 1) -> PartitionFold:
    return PartitionFold(CONFIG, LOG, partition, partitions, stored, Counts())


def stored_by(step: FoldStep) -> list[Pair]:
    return [
        pair for batch in batches(step.state.changes(), step.checkpoint(), ROOMY) for pair in batch
    ]


def outputs_of(steps: Iterable[FoldStep]) -> dict[str, list[EventMessage]]:
    """The messages of steps that follow each other, by topic."""
    found: dict[str, list[EventMessage]] = {}
    for step in steps:
        for topic, messages in step.outputs.items():
            found.setdefault(topic, []).extend(messages)
        while put_off := step.state.snapshot():
            found.setdefault(snapshot_topic(), []).extend(put_off)
    return found


def run(
    records: list[Raw], cuts: list[int], restarts: set[int], put_off: bool = False
) -> dict[str, list[EventMessage]]:
    """All messages, by topic: chunks end at the cuts, and after some the process is a new one."""
    table: dict[bytes, bytes] = {}
    steps = []
    fold = fold_of(StoredPartition())
    for first, end in pairwise([0, *cuts, len(records)]):
        steps.append(fold.fold(chunk(records[first:end]), put_off=put_off))
        table.update(stored_by(steps[-1]))
        if end in restarts:
            fold = fold_of(read_partition(table.items()))
    return outputs_of(steps)


def session_of(message: EventMessage) -> str:
    return dict(message.headers)["session"].decode()


WHOLE = run(RECORDS, [], set())


@given(
    st.lists(st.integers(1, len(RECORDS) - 1), unique=True, max_size=8), st.booleans(), st.data()
)
def test_chunks_and_restarts_leave_every_message_as_it_was(
    cuts: list[int], put_off: bool, data: st.DataObject
) -> None:
    cuts.sort()
    restarts = data.draw(st.sets(st.sampled_from(cuts))) if cuts else set()
    assert run(RECORDS, cuts, restarts, put_off) == WHOLE


@pytest.mark.parametrize("asked", ["at once", "with the changes", "after the next chunk"])
def test_a_snapshot_that_is_put_off_is_that_of_the_close_whenever_it_is_asked_for(
    asked: str,
) -> None:
    due = [each for each in WHOLE[snapshot_topic()] if session_of(each) == "2025-11-24"]
    (close,) = {json.loads(each.value or b"")["offset"] for each in due}
    fold = fold_of(StoredPartition())
    fold.fold(chunk(RECORDS[:close]))
    step = fold.fold(chunk(RECORDS[close : close + 1]), put_off=True)
    assert snapshot_topic() not in step.outputs
    if asked == "with the changes":
        step.state.changes()
    elif asked == "after the next chunk":
        fold.fold(chunk(RECORDS[close + 1 :]))
    assert step.state.snapshot() == due
    assert step.state.snapshot() == []


def test_a_snapshot_is_not_put_off_when_its_group_goes_on_in_the_chunk() -> None:
    step = fold_of(StoredPartition()).fold(chunk(RECORDS), put_off=True)
    put_off = step.state.snapshot()
    assert step.outputs[snapshot_topic()] + put_off == WHOLE[snapshot_topic()]
    assert len(put_off) == 1, "the last record closes a session, too"


def test_a_chunk_of_old_corrections_is_taken_in_steps_of_bounded_work() -> None:
    bars = [each for each in equity_log(2) if isinstance(each, Bar)]
    old = [msgspec.structs.replace(bar, close=bar.low) for bar in bars[:60:7]]
    records = raw_records([*bars, *old])
    whole = fold_of(StoredPartition()).fold(chunk(records))
    fold, steps = fold_of(StoredPartition()), []
    while fold.next_offset != len(records):
        steps.append(fold.fold(chunk(records), most_again=1_000))
    assert len(steps) > len(old) // 2
    assert sum(step.records for step in steps) == len(records)
    assert outputs_of(steps) == whole.outputs


def test_a_chunk_with_closes_of_sessions_is_taken_in_steps_of_bounded_snapshots() -> None:
    fold, steps = fold_of(StoredPartition()), []
    while fold.next_offset != len(RECORDS):
        steps.append(fold.fold(chunk(RECORDS), most_snapshot_bytes=1))
    closes = len({session_of(message) for message in WHOLE[snapshot_topic()]})
    # The last record closes a session, too.
    assert [step.snapshot_bytes > 1 for step in steps] == [True] * closes
    assert sum(step.records for step in steps) == len(RECORDS)
    assert outputs_of(steps) == WHOLE


def test_a_state_that_is_asked_for_late_is_that_of_its_step() -> None:
    at_once, late = fold_of(StoredPartition()), fold_of(StoredPartition())
    parts = [RECORDS[:100], RECORDS[100:101], RECORDS[101:500]]
    expected = [stored_by(at_once.fold(chunk(part))) for part in parts]
    steps = [late.fold(chunk(part)) for part in parts]
    assert [stored_by(step) for step in reversed(steps)] == expected[::-1]
    assert stored_by(steps[0]) == expected[0]


def test_a_repeated_chunk_is_skipped_by_what_the_state_includes() -> None:
    first = fold_of(StoredPartition())
    step = first.fold(chunk(RECORDS[:100]))
    again = fold_of(read_partition(stored_by(step)))
    repeated = again.fold(chunk(RECORDS[:120]))
    assert repeated.records == 20
    assert repeated.outputs == first.fold(chunk(RECORDS[100:120])).outputs


def test_a_state_that_lost_a_record_is_refused_with_the_way_out() -> None:
    stored = dict(stored_by(fold_of(StoredPartition()).fold(chunk(RECORDS))))
    name = f"{SYMBOL}/ring/0"
    del stored[f"{SYMBOL}|{name}".encode()]
    with pytest.raises(
        StateIncompleteError,
        match=rf"group {SYMBOL} is incomplete: there is no '{name}'. .*Delete the data folder",
    ):
        fold_of(read_partition(stored.items()))


def test_a_group_that_is_ahead_of_the_checkpoint_skips_what_it_has() -> None:
    step = fold_of(StoredPartition()).fold(chunk(RECORDS[:100]))
    table = dict(stored_by(step))
    stored = read_partition(table.items())
    stored.checkpoint = 50
    repeated = fold_of(stored).fold(chunk(RECORDS[50:100]))
    assert (repeated.outputs, repeated.state.changes()) == ({}, [])
    assert repeated.next_offset == 100


def test_a_log_that_goes_on_above_the_state_stops_with_both_offsets() -> None:
    fold = fold_of(StoredPartition())
    fold.fold(chunk(RECORDS[:10]))
    with pytest.raises(LogHoleError, match=r"offset 10, the log goes on at 12"):
        fold.fold(chunk(RECORDS[12:20]))


def test_offsets_without_records_are_no_holes_and_the_state_goes_on_behind_them() -> None:
    fold = fold_of(StoredPartition())
    markers = fold.fold(Chunk(0, 2, ()))
    assert (markers.records, markers.next_offset) == (0, 2)
    moved = [record._replace(offset=record.offset + 3) for record in RECORDS[:10]]
    step = fold.fold(Chunk(2, 15, moved))
    assert (step.records, step.next_offset) == (10, 15)
    last = fold.fold(Chunk(15, 17, ()))
    assert (last.records, fold.next_offset) == (0, 17)
    table = dict(stored_by(step)) | dict(stored_by(last))
    again = fold_of(read_partition(table.items()))
    assert again.next_offset == 17
    with pytest.raises(LogHoleError, match=r"offset 17, the log goes on at 18"):
        again.fold(Chunk(18, 19, [RECORDS[10]._replace(offset=18)]))


def test_a_step_names_the_last_record_that_it_took_whatever_became_of_it() -> None:
    fold = fold_of(StoredPartition())
    assert fold.fold(Chunk(0, 2, ())).last is None
    letter = Raw(3, 5, b"no record")
    step = fold.fold(Chunk(2, 6, [RECORDS[0]._replace(offset=2), letter]))
    assert step.last == digest_of(letter)
    marker = fold.fold(Chunk(6, 7, ()))
    assert marker.last == step.last
    again = fold_of(read_partition(stored_by(marker)))
    assert again.last == step.last
    # What was taken before is no new one.
    assert again.fold(Chunk(2, 7, [RECORDS[1]._replace(offset=2)])).last == step.last


def test_steps_that_end_inside_a_chunk_name_their_own_last_record() -> None:
    fold = fold_of(StoredPartition())
    while fold.next_offset != len(RECORDS):
        step = fold.fold(chunk(RECORDS), most_snapshot_bytes=1)
        assert step.last == fold.last == digest_of(RECORDS[step.next_offset - 1])


def test_a_marker_behind_a_step_that_ends_early_is_taken_by_the_next() -> None:
    bars = [each for each in equity_log(2) if isinstance(each, Bar)]
    records = raw_records([*bars, msgspec.structs.replace(bars[0], close=bars[0].low)])
    fold, taken = fold_of(StoredPartition()), Chunk(0, len(records) + 1, records)
    assert fold.fold(taken, most_again=0).next_offset == len(records)
    rest = fold.fold(taken)
    assert (rest.records, rest.next_offset) == (0, len(records) + 1)


def test_without_any_state_the_log_must_begin() -> None:
    with pytest.raises(LogHoleError, match=r"offset 0, the log goes on at 12.*changelog was lost"):
        fold_of(StoredPartition()).fold(chunk(RECORDS[12:20]))


def test_a_first_watermark_and_each_session_close_leave_a_snapshot_and_nothing_else_does() -> None:
    sessions = [json.loads(each.value or b"")["session"] for each in WHOLE[snapshot_topic()]]
    assert sessions == ["2025-11-21", "2025-11-24", "2025-11-25"]


def test_snapshots_hold_where_their_group_began_and_the_partition_is_after_any_restart() -> None:
    first, second = (equity_log(2, symbol=symbol) for symbol in ("ACME", "EMCA"))
    log = raw_records([*first[:50], *second[:30], *first[50:], *second[30:]])
    ends = [each.start_ms + 60_000 for each in (*first, *second) if isinstance(each, Bar)]
    for cuts in ([], [20, 60, 70, len(first) + 20]):
        published: dict[str, set[tuple[int, int]]] = {}
        for message in run(log, cuts, set(cuts))[snapshot_topic()]:
            label = label_of(message.key, dict(message.headers))
            assert label is not None
            published.setdefault(label.group, set()).add((label.first, label.first_reached_ms))
            taken = [log[at] for at in range(label.offset + 1)]
            bars = [json.loads(each.value or b"") for each in taken]
            assert label.reached_ms == max(each["start_ms"] for each in bars) + 60_000
        assert published == {"ACME": {(0, ends[0])}, "EMCA": {(50, ends[49])}}


def test_messages_carry_the_greatest_watermark_and_ascending_seq() -> None:
    for topic, messages in WHOLE.items():
        if topic == snapshot_topic():
            continue
        seqs = [int(dict(each.headers)["seq"]) for each in messages]
        assert seqs == sorted(set(seqs))
        assert [each.timestamp_ms for each in messages] == [
            json.loads(each.value or b"")["watermark_ms"] for each in messages
        ]


def test_state_of_other_settings_is_refused() -> None:
    step = fold_of(StoredPartition()).fold(chunk(RECORDS[:10]))
    stored = read_partition(stored_by(step))
    stored.groups[SYMBOL].settings = Identity("other", None, None)
    with pytest.raises(IdentityError, match="group ACME was made with other settings"):
        fold_of(stored)


def test_records_of_another_partition_become_dead_letters() -> None:
    due = partition_for(SYMBOL, 4)
    wrong = (due + 1) % 4
    step = fold_of(StoredPartition(), wrong, 4).fold(chunk(RECORDS[:2]))
    letters = [json.loads(each.value or b"") for each in step.outputs[topic_of("reject")]]
    assert [each["code"] for each in letters] == ["wrong_partition"] * 2
    assert [each["source"] for each in letters] == [f"{LOG}/{wrong}/0", f"{LOG}/{wrong}/1"]
    assert step.state.changes() == []


@pytest.mark.parametrize(
    ("raw", "code", "symbol"),
    [
        (None, "decode_error", None),
        (b"{", "decode_error", None),
        (b'{"type":"bar","symbol":"ACME"}', "schema_error", "ACME"),
        (encode(Bar(SYMBOL, "5m", 0, 1.0, 1.0, 1.0, 1.0)), "unknown_interval", "ACME"),
        (encode(Bar("ES-NQ", "1m", 0, 1.0, 1.0, 1.0, 1.0)), "unknown_symbol", "ES-NQ"),
    ],
)
def test_what_cannot_be_taken_becomes_a_dead_letter_with_its_symbol(
    raw: bytes | None, code: str, symbol: str | None
) -> None:
    good = RECORDS[0]
    step = fold_of(StoredPartition()).fold(chunk([good, Raw(1, 1_000, raw)]))
    (letter,) = step.outputs[topic_of("reject")]
    content = json.loads(letter.value or b"")
    assert (content["code"], content["symbol"]) == (code, symbol)
    assert step.next_offset == 2


def test_volumes_beyond_64_bits_are_kept_in_the_state() -> None:
    large = 2**63 - 1
    log = [
        Bar(each.symbol, "1m", each.start_ms, 1.0, 1.0, 1.0, 1.0, large)
        for each in equity_log(1)[:4]
        if isinstance(each, Bar)
    ]
    records = raw_records(log)
    first = fold_of(StoredPartition())
    step = first.fold(chunk(records[:3]))
    again = fold_of(read_partition(stored_by(step)))
    assert again.fold(chunk(records[3:])).outputs == first.fold(chunk(records[3:])).outputs


def test_state_of_an_earlier_version_is_refused_with_the_way_out() -> None:
    with pytest.raises(StateFormatError, match="build anew under another topic prefix"):
        PartitionFold(
            built_in_config(), LOG, 0, 1, read_partition(dict(changelog()).items()), Counts()
        )


def test_a_group_whose_state_is_of_an_earlier_version_is_named() -> None:
    stored = StoredPartition(360)
    for key, value in changelog():
        group, _, name = key.decode().partition("|")
        if group:
            records = stored.groups.setdefault(group, StoredGroup())
            records.records[name] = unpack(value)[1]
    expected = r"group ES-NQ .* \(state version 2 is not 3\): build anew under another topic prefix"
    with pytest.raises(StateFormatError, match=expected):
        PartitionFold(built_in_config(), LOG, 0, 1, stored, Counts())
