"""The table of facts that a strategy named."""

from __future__ import annotations

from typing import Any

import orjson
from msgspec.structs import replace

from tapeline.schemas.registry import EVENTS
from tapeline.streams.host.view.facts import FactTable

GAP = EVENTS.row("gap").example
RANGE = EVENTS.row("range").example


def gap(start_ms: int, session: str, state: str = "closed") -> Any:
    return replace(
        GAP, id=f"gap|ES|1m|{start_ms}", start_ms=start_ms, event_ms=start_ms, session=session,
        state=state, symbol="ES",
    )  # fmt: skip


def ids(table: FactTable, event_type: str = "gap") -> list[str]:
    return [each.id for each in table.of(event_type, "ES")]


def test_facts_are_listed_by_time_whatever_the_order_they_came_in() -> None:
    table = FactTable()
    for start_ms in (30, 10, 20):
        table.put("gap", gap(start_ms, "2025-12-08"))
    assert [each.event_ms for each in table.of("gap", "ES")] == [10, 20, 30]
    table.take_away("gap", "ES", "gap|ES|1m|20")
    table.take_away("gap", "ES", "gap|ES|1m|99")
    assert [each.event_ms for each in table.of("gap", "ES")] == [10, 30]


def test_of_earlier_sessions_what_is_open_stays_until_it_is_over() -> None:
    table = FactTable()
    table.put("gap", gap(1, "2025-12-05"))
    table.put("gap", gap(2, "2025-12-05", "open"))
    table.put("range", replace(RANGE, session="2025-12-05"))
    table.keep_from("ES", "2025-12-08")
    assert ids(table) == ["gap|ES|1m|2"]
    assert len(ids(table, "range")) == 1
    table.put("gap", gap(2, "2025-12-05"))
    table.put("range", replace(RANGE, session="2025-12-05", expired=True))
    assert ids(table) == ids(table, "range") == []
    table.put("gap", gap(3, "2025-12-05"))
    assert ids(table) == [], "it is older than what is kept"


def test_records_give_the_same_table_and_name_what_is_gone() -> None:
    table = FactTable()
    table.put("gap", gap(1, "2025-12-08"))
    table.put("gap", gap(2, "2025-12-08"))
    records = dict(table.changed())
    table.take_away("gap", "ES", "gap|ES|1m|1")
    changed = table.changed()
    assert changed == {"gap|ES|1m|1": None}
    records |= changed
    again = FactTable()
    again.restore(orjson.loads(orjson.dumps([each for each in records.values() if each])))
    assert again.of("gap", "ES") == table.of("gap", "ES")
    assert again.changed() == {}


def test_a_table_in_the_place_of_another_takes_its_facts_out_of_the_state() -> None:
    table = FactTable()
    table.put("gap", gap(1, "2025-12-08"))
    table.changed()
    table.put("gap", gap(2, "2025-12-08"))
    again = FactTable()
    again.replace(table)
    again.put("gap", gap(2, "2025-12-08", "open"))
    changed = again.changed()
    assert changed["gap|ES|1m|1"] is None
    assert changed["gap|ES|1m|2"]["state"] == "open"
