"""Books: which accounts run together, with their strategies, and whose records they take. Pure.

All outputs of a book are numbered by one count of records, the same in a host of its own and in a
replay of the topic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from tapeline.schemas.partition import partition_for


class Booked(Protocol):
    """What a book needs to know of a strategy."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def account(self) -> str:
        """The account that its signals are for."""
        ...

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols that it is called for."""
        ...


S = TypeVar("S", bound=Booked)


class Book(Struct, Generic[S], frozen=True):
    """The accounts of one partition of the topic of host states.

    Attributes
    ----------
    number
        That partition; also the partition of all its outputs.
    accounts, strategies
        By name.
    symbols
        Those of its strategies, by name.
    groups
        Those of its symbols: their records are the steps of the book.
    """

    number: int
    accounts: tuple[str, ...]
    strategies: tuple[S, ...]
    symbols: tuple[str, ...]
    groups: frozenset[str]

    @property
    def header(self) -> str:
        """Header ``group`` of its outputs."""
        return f"book-{self.number}"

    def partitions(self, count: int) -> tuple[int, ...]:
        """Partitions of the log that hold its records, of so many."""
        return tuple(sorted({partition_for(group, count) for group in self.groups}))


def book_number(account: str, partitions: int) -> int:
    """Number of the book of an account: murmur2 of its name, as for the key of any message."""
    return partition_for(account, partitions)


def books_of(
    strategies: Iterable[S], group_of: Callable[[str], str], partitions: int
) -> dict[int, Book[S]]:
    """The books of some strategies, by number; an account without a strategy is in none.

    Parameters
    ----------
    group_of
        The group of a symbol: that of the configuration.
    partitions
        Number of partitions of the topic of host states.
    """
    found: dict[int, list[S]] = {}
    for strategy in sorted(strategies, key=lambda each: each.name):
        found.setdefault(book_number(strategy.account, partitions), []).append(strategy)
    return {number: _book(number, each, group_of) for number, each in sorted(found.items())}


def _book(number: int, strategies: Sequence[S], group_of: Callable[[str], str]) -> Book[S]:
    symbols = sorted({symbol for each in strategies for symbol in each.symbols})
    return Book(
        number,
        tuple(sorted({each.account for each in strategies})),
        tuple(strategies),
        tuple(symbols),
        frozenset(map(group_of, symbols)),
    )
