"""State of a book as records: what is written is what is read, whatever woke in between."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.streams.hosting.state import (
    BookCheckpoint,
    BookStateError,
    BookTooLargeError,
    StatePair,
    owner_of,
    read_book,
    state_pairs,
)
from tapeline.streams.pipeline.state_values import pack

ACCOUNTS = {"fade": "paper"}


def pairs(step: int, **changed: Any) -> list[StatePair]:
    """Records of one step; names are written with a double underscore."""
    named = {name.replace("__", "|"): content for name, content in changed.items()}
    return state_pairs(named, BookCheckpoint(step, {0: step}), ACCOUNTS)


def test_what_was_written_is_read() -> None:
    written = pairs(7, memory__fade={"side": "buy"}, ring__ES__5m=[1, 2])
    found = read_book(written, len(written))
    assert found.checkpoint == BookCheckpoint(7, {0: 7})
    assert found.records == {"memory|fade": {"side": "buy"}, "ring|ES|5m": [1, 2]}
    assert (found.end, found.stale, found.rewritten()) == (3, 0, {})


def test_the_checkpoint_comes_last_and_a_key_names_the_account_it_is_of() -> None:
    keys = [key for key, _ in pairs(1, memory__fade=1, account__paper=1, ring__ES__5m=1)]
    assert keys == [b"paper|memory|fade", b"paper|account|paper", b"|ring|ES|5m", b"|checkpoint"]


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("memory|fade", "paper"),
        ("signals|fade|ES", "paper"),
        ("account|paper", "paper"),
        ("account|other|ES", "other"),
        ("ring|ES|5m", ""),
        ("clock", ""),
    ],
)
def test_a_record_belongs_to_the_account_of_its_strategy(name: str, account: str) -> None:
    assert owner_of(name, ACCOUNTS) == account


def test_the_last_content_of_a_name_counts_and_what_is_gone_is_not_there() -> None:
    written = [*pairs(1, a=1, b=2), *pairs(2, a=3, b=None)]
    found = read_book(written, len(written))
    assert found.records == {"a": 3}
    assert found.checkpoint is not None
    assert found.checkpoint.step == 2


def test_a_process_that_woke_behind_its_successor_takes_nothing_back() -> None:
    # The sleeper wrote step 4 after its successor had written step 9.
    written = [*pairs(3, a="old", b="old"), *pairs(9, a="new"), *pairs(4, a="stale", b="four")]
    found = read_book(written, len(written))
    assert found.records == {"a": "new", "b": "four"}
    assert found.checkpoint is not None
    assert found.checkpoint.step == 9
    assert found.stale == 2
    # Compaction would keep the sleeper's: it is written once more.
    assert found.rewritten() == {"a": "new"}


def test_a_record_that_was_written_again_since_is_not_rewritten() -> None:
    written = [*pairs(9, a="new"), *pairs(4, a="stale"), *pairs(10, a="newer")]
    found = read_book(written, len(written))
    assert found.records == {"a": "newer"}
    assert found.rewritten() == {}


def test_a_topic_without_a_record_is_a_book_that_never_began() -> None:
    found = read_book([], 0)
    assert found.checkpoint is None
    assert found.records == {}


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        (None, b"[1,2]", "no key"),
        (b"|a", None, "no value"),
        (b"a", b"[1,2]", "keys of a host are account|name"),
        (b"|a", b'["x",2]', "values [step, content]"),
        (b"|a", b"nonsense", "is no state of a host"),
        (b"|a", b"[1]", "is no state of a host"),
        (b"|checkpoint", b"[1,5]", "is no state of a host"),
    ],
)
def test_a_foreign_record_is_named_with_the_way_out(
    key: bytes | None, value: bytes | None, named: str
) -> None:
    with pytest.raises(BookStateError, match="Let hosts alone do so") as error:
        read_book([(key, value)], 1)
    assert named in str(error.value)


def test_a_state_of_another_format_is_refused() -> None:
    with pytest.raises(BookStateError, match="has format 2, this version reads 1"):
        read_book([(b"|checkpoint", pack(1, {"v": 2}))], 1)


def test_what_no_batch_takes_names_its_largest_record() -> None:
    with pytest.raises(BookTooLargeError, match=r"largest record is \|ring\|ES"):
        pairs(1, a=1, ring__ES="x" * 16_000_000)
