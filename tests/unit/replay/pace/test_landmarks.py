"""What counts as the next gap, touch, session or signal."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from tapeline.replay.pace.landmarks import Landmarks, landmarks
from tapeline.schemas.documents.examples import event_examples, retract_example
from tapeline.schemas.events import Gap, Session, Touch
from tapeline.schemas.host_events import IssuedSignal
from tapeline.schemas.registry import EVENTS

T = TypeVar("T", Gap, Session, Touch)


def example(kind: type[T]) -> T:
    return next(each for each in event_examples().values() if isinstance(each, kind))


OPEN_GAP = replace(example(Gap), symbol="ES", id="gap|ES|1m|60000", state="open", missing=1)
GROWN_GAP = replace(OPEN_GAP, missing=2)
CLOSED_GAP = replace(GROWN_GAP, state="closed")
OPENED = replace(example(Session), symbol="ES", state="open", open_ms=1_000)


def test_a_gap_that_grows_and_closes_is_one_gap() -> None:
    landmarks = Landmarks()
    assert landmarks.among([OPEN_GAP]) == ["gap"]
    assert landmarks.among([GROWN_GAP]) == []
    assert landmarks.among([CLOSED_GAP]) == []
    assert landmarks.among([replace(CLOSED_GAP, id="gap|ES|1m|120000")]) == ["gap"]


def test_each_symbol_has_gaps_of_its_own() -> None:
    landmarks = Landmarks()
    assert landmarks.among([OPEN_GAP]) == ["gap"]
    assert landmarks.among([replace(OPEN_GAP, symbol="NQ", id="gap|NQ|1m|60000")]) == ["gap"]
    assert landmarks.among([GROWN_GAP]) == []


def test_a_session_begins_with_the_first_symbol_that_opens_it() -> None:
    landmarks = Landmarks()
    assert landmarks.among([OPENED]) == ["session"]
    assert landmarks.among([replace(OPENED, symbol="NQ")]) == []
    assert landmarks.among([replace(OPENED, open_ms=2_000)]) == ["session"]


def test_the_close_of_a_session_is_no_beginning() -> None:
    landmarks = Landmarks()
    assert landmarks.among([replace(OPENED, state="closed")]) == []
    assert landmarks.among([replace(OPENED, open_ms=2_000)]) == ["session"]


def test_a_corrected_open_of_a_session_that_is_over_is_no_beginning() -> None:
    landmarks = Landmarks()
    landmarks.among([replace(OPENED, open_ms=2_000)])
    assert landmarks.among([replace(OPENED, rev=1)]) == []


def test_a_touch_is_one_and_an_expiry_is_none() -> None:
    touch = replace(example(Touch), event="first_break")
    assert Landmarks().among([touch]) == ["touch"]
    assert Landmarks().among([replace(touch, event="expired")]) == []


def test_a_signal_is_one_when_it_is_issued_and_none_when_it_closes() -> None:
    signal = EVENTS.row("signal").example
    assert isinstance(signal, IssuedSignal)
    assert Landmarks().among([replace(signal, state="issued")]) == ["signal"]
    for state in ("cancelled", "replaced", "expired"):
        assert Landmarks().among([replace(signal, state=state)]) == []
    assert landmarks()[-1] == "mark"


def test_a_retraction_is_nothing_to_jump_to() -> None:
    assert Landmarks().among([retract_example()]) == []
