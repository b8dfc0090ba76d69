"""Requests of the history, and its answers page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit, urlunsplit

from tapeline.schemas.config.feed_mapping import HistoryTable
from tapeline.schemas.instants import SECOND_MS, iso_time
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.mapping.lookups import elements_of, field, plain_text
from tapeline.streams.feeds.live.mapping.numbers import RowError, decode
from tapeline.streams.feeds.live.mapping.rows import RowReader, no_bar
from tapeline.streams.feeds.live.mapping.texts import Address, Vocabulary, filled_address
from tapeline.streams.feeds.live.model import HistoryPage, HistoryRequest, HttpRequest, Unreadable

MOST_PAGES = 10_000
"""Pages of one request: more of them are a provider that goes round in a circle."""
Headers = tuple[tuple[str, str], ...]


class History:
    """The history of one provider.

    Parameters
    ----------
    table
        As configured.
    headers
        Of requests, with their secrets.
    per_request
        Symbols of one request.
    """

    def __init__(
        self,
        table: HistoryTable,
        words: Vocabulary,
        headers: Headers,
        *,
        per_request: int,
        nearest: bool,
    ) -> None:
        self._table = table
        self._symbols = words.symbols
        self._secrets = words.secrets
        self._headers = headers
        self._address = Address(table.url, words)
        self._per_request = per_request
        self._rows = RowReader(table.rows, words.symbols, nearest=nearest)
        self._named = table.rows.symbol is not None
        self._elements = elements_of(table.rows.each)
        self._error = None if table.error is None else field(table.error)
        self._next = None if table.next is None else field(table.next.path)

    def first_pages(self, asked: Sequence[str], from_ms: int, to_ms: int) -> list[HistoryRequest]:
        """Requests for bars with from_ms <= label <= to_ms."""
        groups: dict[str, list[str]] = {}
        for symbol in asked:
            groups.setdefault(self._symbols.base[symbol], []).append(symbol)
        size = self._per_request
        return [
            self._request(tuple(group[at : at + size]), from_ms, to_ms, from_ms, 1)
            for group in groups.values()
            for at in range(0, len(group), size)
        ]

    def _request(
        self, symbols: tuple[str, ...], from_ms: int, to_ms: int, begin_ms: int, page: int
    ) -> HistoryRequest:
        """A request for a window, or for what of it is at or behind `begin_ms`."""
        base_ms = self._symbols.length_ms[symbols[0]]
        stamp = self._table.rows.start.stamp
        shift_ms = {"open": 0, "close": base_ms, "last_ms": base_ms - 1}[stamp]
        end_ms = to_ms if self._table.end_included else to_ms + base_ms
        values = {"limit": str(self._table.limit)}
        for name, label_ms in (("from", begin_ms), ("before", begin_ms - base_ms), ("to", end_ms)):
            values |= _forms(name, label_ms + shift_ms)
        url = self._address.of(symbols, values)
        shown = self._address.of(symbols, values, shown=True)
        return HistoryRequest(symbols, from_ms, to_ms, HttpRequest(url, shown, self._headers), page)

    def page(self, request: HistoryRequest, body: bytes) -> HistoryPage:
        """An answer with status 200, read; rows outside of the window are left out."""
        try:
            answer = decode(body)
        except ValueError as error:
            return HistoryPage((), problem=str(error))
        if self._error is not None:
            text = plain_text(self._error(answer, answer))
            if text:
                return HistoryPage((), problem=self._secrets.hide(text))
        rows: list[Bar] = []
        unreadable: list[Unreadable] = []
        count, last_ms = 0, request.from_ms
        for element, name in self._elements(answer):
            if not self._rows.is_bar(element, answer):
                continue
            count += 1
            bar = self._row(element, answer, name, request, body)
            if isinstance(bar, Bar):
                last_ms = max(last_ms, bar.start_ms)
                if request.from_ms <= bar.start_ms <= request.to_ms:
                    rows.append(bar)
            elif bar is not None:
                unreadable.append(bar)
        following = self._following(request, answer, count, last_ms)
        if isinstance(following, str):
            return HistoryPage(tuple(rows), tuple(unreadable), problem=following)
        return HistoryPage(tuple(rows), tuple(unreadable), following)

    def _row(
        self, element: Any, answer: Any, name: str | None, request: HistoryRequest, body: bytes
    ) -> Bar | Unreadable | None:
        """A row as a bar; None where it is of a symbol or an interval that was not asked for."""
        symbol = None
        try:
            if name is None and not self._named:
                symbol = request.symbols[0]
            else:
                found = self._rows.symbol(element, answer, name)
                if not isinstance(found, str) or found not in request.symbols:
                    return None
                symbol = found
            if not self._rows.is_of_base(element, answer, symbol):
                return None
            return self._rows.bar(element, answer, symbol)
        except RowError as error:
            return no_bar(error, element, body, symbol, self._secrets)

    def _following(
        self, request: HistoryRequest, answer: Any, count: int, last_ms: int
    ) -> HistoryRequest | str | None:
        """The request of the next page, or why there cannot be one."""
        if request.page >= MOST_PAGES:
            return f"there are more than {MOST_PAGES} pages"
        table = self._table
        if self._next is not None:
            value = plain_text(self._next(answer, answer))
            if not value:
                return None
            return self._named_page(request, value)
        if table.limit is None or count < table.limit:
            return None
        begin_ms = last_ms + self._symbols.length_ms[request.symbols[0]]
        if begin_ms > request.to_ms:
            return None
        following = self._request(
            request.symbols, request.from_ms, request.to_ms, begin_ms, request.page + 1
        )
        return "the next page is the same" if following.http == request.http else following

    def _named_page(self, request: HistoryRequest, value: str) -> HistoryRequest | str:
        """The page that an answer names."""
        table = self._table
        assert table.next is not None
        if table.next.param:
            url = _with_parameter(request.http.url, table.next.param, value)
            shown = _with_parameter(request.http.shown, table.next.param, value)
        else:
            try:
                url = urljoin(request.http.url, value)
                same = urlsplit(url)[:2] == urlsplit(request.http.url)[:2]
            except ValueError:
                return "the address of the next page is none"
            if not same:
                return "the next page is on another host"
            shown = url
            if table.next_auth:
                between = "&" if "?" in url else "?"
                shown = f"{url}{between}{table.next_auth}"
                url = f"{url}{between}{filled_address(table.next_auth, self._secrets)}"
        if url == request.http.url:
            return "the next page is the same"
        http = HttpRequest(url, self._secrets.hide(shown), request.http.headers)
        return HistoryRequest(
            request.symbols, request.from_ms, request.to_ms, http, request.page + 1
        )


def _with_parameter(url: str, name: str, value: str) -> str:
    """An address with a parameter that replaces one of its name."""
    parts = urlsplit(url)
    kept = [
        pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] != quote(name)
    ]
    query = "&".join([*kept, urlencode({name: value})])
    return urlunsplit(parts._replace(query=query))


def _forms(name: str, instant_ms: int) -> dict[str, str]:
    """An instant in every form that an address may ask for."""
    return {
        f"{name}_ms": str(instant_ms),
        f"{name}_s": str(instant_ms // SECOND_MS),
        f"{name}_us": str(instant_ms * 1_000),
        f"{name}_ns": str(instant_ms * 1_000 * 1_000),
        f"{name}_rfc3339": iso_time(instant_ms),
    }
