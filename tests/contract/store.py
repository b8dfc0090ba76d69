"""What every store of keys and values keeps: a class that the tests of a store inherit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

PAIRS = [(b"b", b"2"), (b"a", b"1"), (b"c\x00", b""), (b"c", b"3"), (b"\xff", b"4")]


class KeyValues(Protocol):
    """A store that is open, as the contract sees it."""

    def get(self, key: bytes) -> bytes | None:
        """Value of a key."""
        ...

    def pairs(self) -> Iterable[tuple[bytes, bytes]]:
        """All that is stored."""
        ...

    def write(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Write pairs in one batch."""
        ...


class StoreContract(ABC):
    """Inherited by ``Test...`` classes, one a store."""

    @abstractmethod
    def open(self, folder: Path) -> AbstractContextManager[KeyValues]:
        """The store in a folder, made if it is not there."""

    def test_a_new_store_holds_nothing(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as store:
            assert list(store.pairs()) == []
            assert store.get(b"a") is None

    def test_what_was_written_is_read_in_the_order_of_the_keys(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as store:
            store.write(PAIRS)
            assert list(store.pairs()) == sorted(PAIRS)
            assert [store.get(key) for key, _ in PAIRS] == [value for _, value in PAIRS]

    def test_of_a_key_the_last_value_counts_in_a_batch_and_after_it(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as store:
            store.write([(b"a", b"1"), (b"a", b"2")])
            assert store.get(b"a") == b"2"
            store.write([(b"a", b"3")])
            assert list(store.pairs()) == [(b"a", b"3")]

    def test_what_was_written_is_there_when_it_is_opened_again(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as store:
            store.write(PAIRS)
        with self.open(tmp_path) as store:
            assert list(store.pairs()) == sorted(PAIRS)
            store.write([(b"d", b"5")])
        with self.open(tmp_path) as store:
            assert list(store.pairs()) == sorted([*PAIRS, (b"d", b"5")])
