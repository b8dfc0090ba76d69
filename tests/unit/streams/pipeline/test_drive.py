"""The drive: every record of a log becomes an outcome or a refusal, in batches of any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.events import Output
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import ACCEPTED, OUTCOMES, Outcome
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline import drive as drive_module
from tapeline.streams.pipeline.drive import Drive, Item
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot
from tests.unit.streams.core.scenario import MINUTE_MS, at, flat, minutes

CONFIG = read_config(
    "".join(
        f'[instruments.{symbol}]\ntick = 0.01\ncalendar = "XNYS"\n' for symbol in ("ACME", "BOLT")
    )
    + '[instruments.default]\ntick = 0.01\ncalendar = "XNYS"\n[limits]\nsymbols = 1\n',
    "drive",
)
OPEN = at("2025-07-02 09:30")
OVERNIGHT = at("2025-07-02 08:00")


@dataclass
class Notes:
    """Writes down what a drive hands over; ends a batch after some records."""

    every: bool = True
    ends_after: int | None = None
    kinds: list[str] = field(default_factory=list)
    events: list[Output] = field(default_factory=list)
    letters: list[tuple[int, str, str | None]] = field(default_factory=list)
    over: list[int] = field(default_factory=list)
    resumed: list[tuple[str, int]] = field(default_factory=list)
    slots: list[GroupSlot] = field(default_factory=list)

    def took(self, item: Item, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        self.kinds.append(outcome.kind)
        self.events += outcome.events
        self.slots.append(slot)
        return self.ends_after is None or len(self.kinds) < self.ends_after

    def refused(self, item: Item, refusal: Refusal) -> None:
        self.letters.append((item[0], refusal.code, refusal.symbol))

    def passed(self, item: Item) -> None:
        self.over.append(item[0])

    def resumes(self, slot: GroupSlot) -> None:
        assert slot.engine is not None
        self.resumed.append((slot.group, slot.engine.offset))


def items(contents: Iterable[Any], partition: int = 0) -> list[Item]:
    return [(offset, content, partition) for offset, content in enumerate(contents)]


def driven(contents: Iterable[Any], notes: Notes | None = None) -> Notes:
    notes = Notes() if notes is None else notes
    Drive(Router(CONFIG)).apply_many(items(contents), notes)
    return notes


RUN = minutes("ACME", OPEN, 6)
LAST = RUN[-1]
KINDS: list[tuple[LogRecord, str]] = [
    (flat("ACME", OPEN + 6 * MINUTE_MS, 100.0), "accepted"),
    (flat("ACME", at("2025-07-02 18:00"), 100.0), "off_session"),
    (flat("ACME", OVERNIGHT, 100.0), "late"),
    (flat("ACME", OPEN + 2 * MINUTE_MS, 101.0), "changed"),
    (Cancel("ACME", "1m", OPEN + 2 * MINUTE_MS), "cancelled"),
    (RUN[2], "duplicates"),
    (Clock("ACME", at("2025-07-02 10:00")), "clocks"),
    (Cancel("ACME", "1m", OPEN + 30 * MINUTE_MS), "idle"),
]


@pytest.mark.parametrize(("record", "kind"), KINDS, ids=[kind for _, kind in KINDS])
def test_an_outcome_is_handed_over_and_counted(record: LogRecord, kind: str) -> None:
    drive, notes = Drive(Router(CONFIG)), Notes()
    drive.apply_many(items([*RUN, record]), notes)
    assert notes.kinds == ["accepted"] * 6 + [kind]
    assert drive.outcomes == Counter(notes.kinds)


def test_every_outcome_has_a_case_here() -> None:
    assert {kind for _, kind in KINDS} == set(OUTCOMES)


REFUSED = [
    (b"[1, 2", "decode_error", None),
    (b'{"type":"bar","symbol":"ACME"}', "schema_error", "ACME"),
    (Refusal("ambiguous_time", "twice that night", "ACME"), "ambiguous_time", "ACME"),
    (replace(LAST, start_ms=OPEN + 6 * MINUTE_MS, open=100.001), "off_tick", "ACME"),
    (replace(LAST, interval="7m"), "unknown_interval", "ACME"),
    (flat("NEW2", OPEN, 5.0), "too_many_symbols", "NEW2"),
]


@pytest.mark.parametrize(
    ("content", "code", "symbol"), REFUSED, ids=[code for _, code, _ in REFUSED]
)
def test_what_is_refused_shows_why_and_of_which_symbol_and_the_batch_goes_on(
    content: Any, code: str, symbol: str | None
) -> None:
    after = flat("ACME", OPEN + 6 * MINUTE_MS, 100.0)
    notes = driven([flat("NEW1", OPEN, 5.0), *RUN, content, after])
    assert notes.letters == [(7, code, symbol)]
    assert notes.kinds == ["accepted"] * 8


def test_a_symbol_without_an_instrument_is_unknown() -> None:
    notes = Notes()
    drive = Drive(Router(read_config("[instruments]\ndefault = false\n", "none")))
    drive.apply_many(items([flat("ACME", OPEN, 5.0)]), notes)
    assert notes.letters == [(0, "unknown_symbol", "ACME")]


def test_bytes_are_decoded_on_the_way() -> None:
    plain, encoded = driven(RUN), driven([encode(record) for record in RUN])
    assert encoded.events == plain.events
    assert encoded.kinds == plain.kinds


def test_a_sink_that_wants_changes_alone_hears_of_nothing_else() -> None:
    everything, notes = driven(RUN), driven(RUN, Notes(every=False))
    assert notes.events == everything.events
    assert len(notes.kinds) < len(RUN)


def test_a_correction_without_events_is_handed_over_all_the_same() -> None:
    overnight = flat("ACME", OVERNIGHT, 100.0)
    notes = driven([overnight, *RUN, replace(overnight, volume=9)], Notes(every=False))
    assert notes.kinds[-1] == "changed"


def two_partitions() -> Router:
    homes = {"ACME": 3, "BOLT": 5}
    return Router(CONFIG, partition_of=homes.get)


def test_a_record_in_a_partition_that_is_not_its_own_is_refused_there() -> None:
    notes = Notes()
    acme, bolt = minutes("ACME", OPEN, 2), minutes("BOLT", OPEN, 2)
    Drive(two_partitions()).apply_many(
        [(0, acme[0], 3), (0, acme[1], 5), (1, bolt[0], 5), (1, acme[1], 3), (2, bolt[1], 3)], notes
    )
    assert notes.letters == [(0, "wrong_partition", "ACME"), (2, "wrong_partition", "BOLT")]
    assert notes.kinds == ["accepted"] * 3


def test_one_record_is_refused_by_an_exception_that_names_both_partitions() -> None:
    drive = Drive(two_partitions())
    with pytest.raises(RecordRejected, match="group ACME belong in partition 3, not 5"):
        drive.apply(RUN[0], 0, 5)
    assert drive.apply(RUN[0], 0, 3).kind == "accepted"


def test_the_first_record_of_a_symbol_admits_it_whatever_becomes_of_it() -> None:
    drive, notes = Drive(Router(CONFIG)), Notes()
    drive.apply_many(items([Cancel("NEW1", "1m", OPEN), flat("NEW2", OPEN, 5.0)]), notes)
    assert notes.kinds == ["idle"]
    assert notes.letters == [(1, "too_many_symbols", "NEW2")]


def test_the_group_has_the_greatest_watermark_of_its_symbols() -> None:
    pair = '[instruments.A]\ntick = 0.01\ncalendar = "XNYS"\n[instruments.B]\ntick = 0.01\n'
    config = read_config(pair + 'calendar = "XNYS"\n[groups]\nAB = ["A", "B"]\n', "pair")
    router = Router(config)
    drive = Drive(router)
    drive.apply_many(items([flat("A", OPEN + MINUTE_MS, 5.0), flat("B", OPEN, 5.0)]), Notes())
    assert router.slot("AB").watermark_ms == OPEN + 2 * MINUTE_MS


def test_a_group_without_a_record_has_no_watermark() -> None:
    assert Router(CONFIG).slot("ACME").watermark_ms == FAR_PAST_MS


def test_the_sink_ends_a_batch_and_the_rest_is_left_for_the_next() -> None:
    drive, notes = Drive(Router(CONFIG)), Notes(ends_after=3)
    rest = iter(items(RUN))
    drive.apply_many(rest, notes)
    assert drive.outcomes == {"accepted": 3}
    assert next(rest)[0] == 3


def test_records_are_taken_one_by_one_from_what_hands_them_over() -> None:
    router = Router(CONFIG)
    seen: list[int] = []

    def handed() -> Iterator[Item]:
        for item in items(RUN):
            seen.append(router.slot("ACME").watermark_ms)
            yield item

    Drive(router).apply_many(handed(), Notes())
    assert seen == [FAR_PAST_MS, *(OPEN + number * MINUTE_MS for number in range(1, 6))]


def test_a_record_that_a_state_includes_is_passed_over_after_a_restart() -> None:
    log = [*RUN, Clock("ACME", at("2025-07-02 10:00")), *minutes("ACME", "2025-07-02 10:00", 6)]
    whole = driven(log)
    first = Drive(Router(CONFIG))
    early = Notes()
    first.apply_many(items(log)[:8], early)
    plan = plan_group(CONFIG, "ACME")

    def restored(group: str) -> GroupSlot:
        state = first.router.group_engine(group).snapshot()
        return GroupSlot(group, GroupEngine.restore(plan, state))

    router = Router(CONFIG, restored)
    later = Notes()
    Drive(router).apply_many(items(log), later)
    assert later.over == list(range(8))
    assert early.events + later.events == whole.events
    assert (
        router.slot("ACME").watermark_ms == first.router.slot("ACME").watermark_ms + 5 * MINUTE_MS
    )


def test_records_of_a_group_without_an_engine_are_passed_over() -> None:
    notes = Notes()

    def only_bolt(group: str) -> GroupSlot:
        engine = GroupEngine(plan_group(CONFIG, group)) if group == "BOLT" else None
        return GroupSlot(group, engine)

    Drive(Router(CONFIG, only_bolt)).apply_many(
        items([*minutes("ACME", OPEN, 2), *minutes("BOLT", OPEN, 2)]), notes
    )
    assert (notes.over, notes.kinds) == ([0, 1], ["accepted"] * 2)


def test_a_group_that_is_held_is_announced_before_its_next_record_once() -> None:
    router, notes = Router(CONFIG), Notes()
    drive = Drive(router)
    bolt = minutes("BOLT", OPEN, 2)
    drive.apply_many(items(RUN[:3]), notes)
    drive.hold(router.slot("ACME"))
    drive.apply_many([(3, bolt[0], 0), (4, RUN[3], 0), (5, RUN[4], 0)], notes)
    assert notes.resumed == [("ACME", 2)]


def test_a_refused_record_has_its_group_announced_too() -> None:
    router, notes = Router(CONFIG), Notes()
    drive = Drive(router)
    drive.apply_many(items(RUN[:3]), notes)
    drive.hold(router.slot("ACME"))
    drive.apply_many([(3, replace(RUN[3], open=100.001), 0)], notes)
    assert notes.resumed == [("ACME", 2)]
    assert [code for _, code, _ in notes.letters] == ["off_tick"]


def test_an_engine_that_replaces_another_goes_on_with_its_group() -> None:
    router, notes = Router(CONFIG), Notes()
    drive = Drive(router)
    drive.apply_many(items(RUN), notes)
    router.replace("ACME", GroupEngine(plan_group(CONFIG, "ACME")))
    drive.apply_many([(6, RUN[0], 0)], notes)
    assert notes.kinds[-1] == "accepted"


def test_the_name_of_an_accepted_record_is_that_of_the_core() -> None:
    assert drive_module._ACCEPTED == ACCEPTED


def test_a_bar_is_no_other_record_s_outcome() -> None:
    drive = Drive(Router(CONFIG))
    bar = RUN[0]
    assert isinstance(bar, Bar)
    first = drive.apply(bar, 0)
    assert (first.kind, first.watermark_ms, first.correction) == (
        "accepted",
        OPEN + MINUTE_MS,
        None,
    )
    changed = drive.apply(replace(bar, volume=9), 1)
    assert changed.correction is not None
    assert (changed.correction.before, changed.correction.after) == (bar, replace(bar, volume=9))
    again = drive.apply(replace(bar, volume=9), 2)
    assert (again.kind, again.events, again.correction) == ("duplicates", [], None)
