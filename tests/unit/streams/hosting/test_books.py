"""Books: who runs together, and whose records count."""

from __future__ import annotations

from typing import NamedTuple

from tapeline.schemas.partition import partition_for
from tapeline.streams.hosting.books import book_number, books_of


class Configured(NamedTuple):
    name: str
    account: str
    symbols: tuple[str, ...]


GROUPS = {"ES": "ES-NQ", "NQ": "ES-NQ"}


def group_of(symbol: str) -> str:
    return GROUPS.get(symbol, symbol)


def test_an_account_lies_in_the_partition_that_any_client_gives_its_name() -> None:
    assert book_number("default", 12) == partition_for("default", 12)


def test_strategies_of_one_book_are_sorted_and_its_groups_are_those_of_all_their_symbols() -> None:
    found = books_of(
        [
            Configured("b", "default", ("NQ",)),
            Configured("a", "default", ("ACME", "ES")),
        ],
        group_of,
        1,
    )
    assert list(found) == [0]
    book = found[0]
    assert [each.name for each in book.strategies] == ["a", "b"]
    assert book.accounts == ("default",)
    assert book.symbols == ("ACME", "ES", "NQ")
    assert book.groups == {"ACME", "ES-NQ"}
    assert book.header == "book-0"


def test_accounts_of_different_partitions_are_different_books() -> None:
    names = ["default", *(f"account{number}" for number in range(20))]
    found = books_of([Configured(f"s-{each}", each, ("ES",)) for each in names], group_of, 4)
    assert len(found) == 4
    for number, book in found.items():
        assert {book_number(account, 4) for account in book.accounts} == {number}
    assert sorted(each for book in found.values() for each in book.accounts) == sorted(names)


def test_a_book_reads_the_partitions_of_its_groups_alone() -> None:
    symbols = tuple(f"S{number}" for number in range(3))
    book = books_of([Configured("a", "default", symbols)], group_of, 12)
    (only,) = book.values()
    assert only.partitions(12) == tuple(sorted({partition_for(each, 12) for each in symbols}))
