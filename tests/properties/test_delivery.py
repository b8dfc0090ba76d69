"""The folded view does not depend on how the symbols, or the same bar twice, came in."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.records import LogRecord
from tests.properties.books import BookShape, config_for, make_book, shapes
from tests.properties.folding import DELIVERY, fold, run


@given(shape=shapes(sessions=(1, 3)), lead=st.integers(0, 4000), seed=st.integers(0, 99))
def test_either_symbol_may_be_far_ahead(shape: BookShape, lead: int, seed: int) -> None:
    config = config_for(shape, ("A", "B"))
    first, second = make_book("A", shape), make_book("B", shape)
    together = sorted([*first, *second], key=lambda bar: (bar.start_ms, bar.symbol))
    if seed % 2:
        first, second = second, first
    random = Random(seed)
    skewed: list[LogRecord] = []
    ahead = list(first)
    behind = list(second)
    skewed += ahead[:lead]
    del ahead[:lead]
    while ahead or behind:
        source = ahead if ahead and (not behind or random.random() < 0.5) else behind
        skewed.append(source.pop(0))
    assert fold(run(config, "TWO", skewed)) == fold(run(config, "TWO", together))


@given(shape=shapes(sessions=(1, 2)), seed=st.integers(0, 999))
def test_a_repeated_bar_publishes_nothing(shape: BookShape, seed: int) -> None:
    config = config_for(shape, ("A",))
    book = make_book("A", shape)
    random = Random(seed)
    # Slots of a session: what is repeated stays inside the correction horizon.
    within = 200 if shape.base == "1m" else 6
    log: list[LogRecord] = []
    for bar in book:
        log.append(bar)
        if random.random() < 0.2:
            log.append(random.choice(log[-within:]))
    once = run(config, "A", book)
    twice = run(config, "A", log)
    assert [_content(event) for event in twice] == [_content(event) for event in once]


def _content(event: object) -> dict[str, object]:
    fields = getattr(event, "__struct_fields__", ())
    ignored = ("seq",)
    assert set(ignored) < set(DELIVERY)
    return {name: getattr(event, name) for name in fields if name not in ignored}


@given(shape=shapes(sessions=(1, 2)))
def test_each_id_comes_at_most_once_for_a_record_and_seq_only_rises(shape: BookShape) -> None:
    config = config_for(shape, ("A", "B"))
    book = sorted(
        make_book("A", shape) + make_book("B", shape), key=lambda bar: (bar.start_ms, bar.symbol)
    )
    events = run(config, "TWO", book)
    seqs = [event.seq for event in events]
    assert seqs == sorted(set(seqs))
    by_record: dict[int, list[str]] = {}
    for event in events:
        by_record.setdefault(event.seq // 1_000_000, []).append(event.id)
    assert all(len(ids) == len(set(ids)) for ids in by_record.values())
    assert all(event.event_ms <= event.watermark_ms for event in events)
