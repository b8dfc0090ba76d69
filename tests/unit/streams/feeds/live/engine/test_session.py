"""The steps of a session against a provider's answers."""

from __future__ import annotations

import json
from typing import Any

from tapeline.schemas.instants import FAR_FUTURE_MS
from tapeline.streams.feeds.live.engine.session import FeedSession
from tapeline.streams.feeds.live.model import StepMessage
from tests.unit.streams.feeds.live.engine.dialect import Dialect

FIVE = tuple("ABCDE")


def session(symbols: tuple[str, ...] = FIVE, **how: Any) -> FeedSession:
    """A session whose key was accepted at 0; its first chunk was sent then."""
    made = FeedSession(Dialect(symbols, **how), symbols)
    made.open(0)
    made.take({"welcome": True}, 0)
    return made


def asked(texts: list[str]) -> list[list[str]]:
    """Symbols that messages ask for."""
    return [json.loads(each)["subscribe"] for each in texts]


def test_the_key_goes_first_and_symbols_follow_its_answer() -> None:
    made = FeedSession(Dialect(FIVE), FIVE)
    assert [json.loads(each) for each in made.open(0)] == [{"auth": "hunter2"}]
    assert made.take({"noise": 1}, 5) == []
    assert asked(made.take({"welcome": True}, 10)) == [list(FIVE)]
    assert not made.done
    assert made.take({"subscribed": list(FIVE)}, 20) == []
    assert (made.done, made.complete, made.next_ms) == (True, True, FAR_FUTURE_MS)


def test_chunks_follow_the_answers_and_keep_their_pace() -> None:
    made = session(chunk=2, pace_ms=250)
    assert made.take({"subscribed": ["A", "B"]}, 100) == []
    assert made.next_ms == 250
    assert made.pass_time(249) == []
    assert asked(made.pass_time(250)) == [["C", "D"]]
    assert made.acknowledged == {"A", "B"}
    assert asked(made.take({"subscribed": ["A", "B", "C", "D"]}, 600)) == [["E"]]
    made.take({"subscribed": list(FIVE)}, 700)
    assert made.complete


def test_an_answer_that_never_comes_is_a_problem_after_ten_seconds() -> None:
    made = session()
    made.pass_time(9_999)
    assert made.problem == ""
    made.pass_time(10_000)
    assert made.problem == "no answer to step 2 within 10 s"


def test_what_an_answer_leaves_out_is_asked_for_once_more_and_then_refused() -> None:
    made = session()
    made.take({"subscribed": ["A", "B", "C", "E"]}, 1_000)
    assert (made.done, made.complete, made.lacking) == (True, False, ("D",))
    assert made.pass_time(9_999) == []
    assert asked(made.pass_time(10_000)) == [["D"]]
    made.take({"subscribed": ["A", "B", "C", "E"]}, 10_100)
    assert made.refused == set()
    made.pass_time(made.next_ms)
    assert made.refused == {"D"}
    assert made.complete
    assert made.problem == ""


def test_a_symbol_that_is_confirmed_late_is_not_asked_for_again() -> None:
    made = session()
    made.take({"subscribed": ["A", "B", "C", "E"]}, 1_000)
    made.take({"subscribed": list(FIVE)}, 2_000)
    assert made.complete
    assert made.pass_time(60_000) == []


def test_a_second_request_without_an_answer_refuses_its_symbols_and_not_the_connection() -> None:
    made = session()
    made.take({"subscribed": ["A"]}, 0)
    made.pass_time(10_000)
    made.pass_time(20_000)
    assert (made.problem, made.refused) == ("", {"B", "C", "D", "E"})


def test_answers_symbol_by_symbol_end_a_message_with_its_last_one() -> None:
    class OneByOne(Dialect):
        def answer(self, step: int, message: StepMessage | None, parsed: Any) -> Any:
            answer = super().answer(step, message, parsed)
            return type(answer)("other", answer.acknowledged) if step else answer

    made = FeedSession(OneByOne(FIVE, chunk=3), FIVE)
    made.open(0)
    made.take({"welcome": True}, 0)
    assert made.take({"subscribed": ["A"]}, 1) == []
    assert made.refuse("B", 2) == []
    assert asked(made.take({"subscribed": ["C"]}, 3)) == [["D", "E"]]
    assert made.acknowledged == {"A", "C"}


def test_a_refusal_for_good_ends_the_opening_and_later_only_what_is_asked_for_again() -> None:
    made = FeedSession(Dialect(FIVE), FIVE)
    made.open(0)
    made.take({"denied": "no such key"}, 1)
    assert made.fatal == "no such key"
    later = session()
    later.take({"subscribed": ["A"]}, 1)
    later.take({"denied": "plan"}, 2)
    assert later.fatal is None
    assert later.refused == {"B", "C", "D", "E"}


def test_symbols_of_the_address_and_of_messages_without_an_answer_count_as_confirmed() -> None:
    made = FeedSession(Dialect(FIVE, by_address=True), FIVE)
    assert made.open(0) == []
    assert (made.complete, made.acknowledged) == (True, set(FIVE))

    class Mute(Dialect):
        def messages(self, step: int, symbols: Any) -> list[StepMessage]:
            return [
                StepMessage(each.text, each.symbols, awaits=False)
                for each in super().messages(step, symbols)
            ]

    mute = FeedSession(Mute(FIVE, chunk=3, pace_ms=100), FIVE)
    assert len(mute.open(0)) == 2
    assert not mute.complete
    assert asked(mute.pass_time(100)) == [["D", "E"]]
    assert mute.complete


def test_a_subscription_that_is_compared_anew_keeps_what_is_confirmed_again() -> None:
    made = session(chunk=3)
    made.take({"subscribed": ["A", "B", "C"]}, 0)
    made.take({"subscribed": list(FIVE)}, 0)
    assert made.complete
    assert asked(made.ask_anew(100_000)) == [["A", "B", "C"]]
    assert asked(made.take({"subscribed": ["A", "B", "C"]}, 100_100)) == [["D", "E"]]
    made.take({"subscribed": ["A", "B", "C", "E"]}, 100_200)
    assert (made.lacking, made.problem) == (("D",), "")
    made.pass_time(made.next_ms)
    assert made.refused == {"D"}
    assert made.acknowledged == {"A", "B", "C", "E"}
    assert session_by_address().ask_anew(0) == []


def session_by_address() -> FeedSession:
    made = FeedSession(Dialect(FIVE, by_address=True), FIVE)
    made.open(0)
    return made
