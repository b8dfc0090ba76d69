"""What a drill writes, the mapping of the feed reads: of every preset, and of own tables."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tapeline.schemas.config.feed_loading import preset_names
from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.mapping.compiled import Mapping, compile_mapping
from tapeline.streams.feeds.live.model import Alive, HistoryRequest, Notice, Statement, Unreadable
from tapeline.streams.feeds.live.secrets import read_secrets
from tapeline.streams.ingest.drill.dialect import DrillDialect, StatedBar
from tests.feed_mappings import ENVIRONMENT, OWN, START_MS, SYMBOLS

OWN_TABLES = {
    "local close stamps in lists": """
[feeds.mine.session]
topic = "bars/{symbol:upper}/{interval}"
open = [
  { send = '{"login":"${FEED_KEY}"}', expect = { ok = true }, fatal = { ok = false } },
  { send = '{"sub":["${topic}"],"id":${id}}', expect = { id = "${id}", "got.topic" = "${topic}" } },
]
alive = { where = { "$[0]" = "hb" } }

[feeds.mine.bar]
each = "[1][*]"
where = { "$[0]" = ["bars", "more"] }
symbol = "[0]"
start = { path = "[1]", unit = "local", zone = "Europe/Berlin", stamp = "close" }
prices = { open = "[2]", high = "[3]", low = "[4]", close = "[6]" }
volume = "[5]"
final = { path = "[7]", equals = ["F", "C"] }

[feeds.mine.history]
url = "https://api.example/{interval}/{symbol}/{from_ns}?until={to_us}&k=${FEED_KEY}"
rows = "data.rows[*]"
start = { path = "end", unit = "s", stamp = "last_ms" }
prices = { open = "o", high = "h", low = "l", close = "c" }
volume = { path = "v", default = "absent" }
next = { param = "after", path = "data.after" }
end = "exclusive"
""",
    "one bar a message": """
[feeds.mine.bar]
where = { type = "bar" }
symbol = "$.meta.name"
start = { path = "at", unit = "us" }
prices = { open = "p.o", high = "p.h", low = "p.l", close = "p.c" }
final = "successor"
sent = { path = "$.meta.sent", unit = "s" }
empty = { path = "n", equals = 0 }

[feeds.mine.history]
url = "https://api.example/bars?s={symbols}&from={before_ms}"
rows = "{symbol}[*]"
per_request = 5
""",
}
CASES = (*preset_names(), *OWN_TABLES)


def pair(name: str) -> tuple[FeedConfig, DrillDialect, Mapping]:
    """A feed, what writes for it, and what reads."""
    text = OWN + OWN_TABLES.get(name, "")
    if name not in OWN_TABLES:
        text = f"[feeds.mine]\nuse = '{name}'\nsymbols = {SYMBOLS[name]}"
    config = read_config(text, "desk.toml")
    feed = config.feeds["mine"]
    mapping = compile_mapping(feed, config, read_secrets(feed, ENVIRONMENT))
    return feed, DrillDialect(feed, config, ENVIRONMENT), mapping


def bars_of(feed: FeedConfig, dialect: DrillDialect, count: int = 1) -> list[Bar]:
    volume = None if dialect.tables.bar.volume is None else 7
    return [
        Bar(symbol, "1m", START_MS + at * MINUTE_MS, 1.5, 2.0, 1.0, 1.75, volume)
        for symbol in feed.symbols
        for at in range(count)
    ]


@pytest.mark.parametrize("name", CASES)
def test_bars_are_read_as_they_were_stated(name: str) -> None:
    feed, dialect, mapping = pair(name)
    bars = bars_of(feed, dialect, 2)
    sent_ms = START_MS + 2 * MINUTE_MS
    messages = dialect.bars([StatedBar(bar, True, sent_ms) for bar in bars])
    found = [each for data in messages for each in mapping.meanings(mapping.parse(data), data)]
    assert [each.bar for each in found if isinstance(each, Statement)] == bars
    assert len(found) == len(bars)
    for each in found:
        assert isinstance(each, Statement)
        assert each.final is (None if mapping.closing != "stated" else True)
        assert each.sent_ms in (None, sent_ms)
        assert not each.empty


@pytest.mark.parametrize("name", CASES)
def test_an_open_bar_and_an_empty_one_are_read_as_such(name: str) -> None:
    feed, dialect, mapping = pair(name)
    bar = bars_of(feed, dialect)[0]
    if dialect.tables.bar.final == "sent":
        return
    (data,) = dialect.bars([StatedBar(bar, False, START_MS, dialect.tables.bar.empty is not None)])
    (found,) = mapping.meanings(mapping.parse(data), data)
    assert isinstance(found, Statement)
    assert found.final is (None if mapping.closing != "stated" else False)
    assert found.empty == (dialect.tables.bar.empty is not None)


@pytest.mark.parametrize("name", CASES)
def test_a_session_is_answered_as_the_feed_expects(name: str) -> None:
    feed, dialect, mapping = pair(name)
    symbols = list(feed.symbols)
    for position in range(mapping.steps):
        messages = mapping.messages(position, symbols)
        for message in messages:
            step = dialect.step(message.text)
            assert step is not None
            assert step.position == position
            assert step.symbols == (message.symbols or tuple(symbols))
            for data in dialect.answers(position, step.symbols, step.number):
                answer = mapping.answer(position, message, mapping.parse(data))
                assert answer.outcome == "expected"
        if not messages:
            (data,) = dialect.answers(position, symbols, 1)
            assert mapping.answer(position, None, mapping.parse(data)).outcome == "expected"
        refusal = dialect.refusal(position)
        if refusal is not None:
            assert mapping.answer(position, None, mapping.parse(refusal)).outcome == "fatal"
    assert dialect.step("[]") is None


@pytest.mark.parametrize("name", [name for name in CASES if name != "tradingview"])
def test_requests_of_the_history_are_understood_and_their_pages_read(name: str) -> None:
    feed, dialect, mapping = pair(name)
    bars = bars_of(feed, dialect, 3)
    last_ms = START_MS + 2 * MINUTE_MS
    stated = [StatedBar(bar, True, last_ms) for bar in bars]
    for request in mapping.history(list(feed.symbols), START_MS, last_ms):
        asked = dialect.asked(path_of(request))
        assert asked is not None
        assert asked.symbols == request.symbols
        assert asked.from_ms == START_MS
        assert asked.to_ms in (None, last_ms)
        assert asked.page == 1
        rows = [each for each in stated if each.bar.symbol in request.symbols]
        following = 2 if dialect.names_pages else None
        page = mapping.page(request, dialect.page(rows, path_of(request), following))
        assert page.problem == ""
        assert list(page.rows) == [each.bar for each in rows]
        assert (page.next is not None) == dialect.names_pages
        if page.next is not None:
            again = dialect.asked(path_of(page.next))
            assert again is not None
            assert again == asked._replace(page=2)
            last = mapping.page(page.next, dialect.page([], path_of(page.next), None))
            assert (last.rows, last.next, last.problem) == ((), None, "")
    assert dialect.asked("/elsewhere?x=1") is None


def path_of(request: HistoryRequest) -> str:
    parts = urlsplit(request.http.url)
    return f"{parts.path}?{parts.query}"


@pytest.mark.parametrize("name", CASES)
def test_notices_and_heartbeats_are_read(name: str) -> None:
    feed, dialect, mapping = pair(name)
    symbol = next(iter(feed.symbols))
    for table in dialect.tables.notices:
        data = dialect.notice(table.means, symbol, START_MS)
        found = mapping.meanings(mapping.parse(data), data)
        if table.means == "nothing":
            assert found == []
            continue
        (notice,) = found
        assert isinstance(notice, Notice)
        assert notice.means == table.means
        assert notice.symbol == (None if table.symbol is None else symbol)
        assert notice.start_ms == (None if table.start is None else START_MS)
    beat = dialect.heartbeat(START_MS)
    assert (beat is None) == (dialect.tables.alive is None)
    if beat is not None:
        assert mapping.meanings(mapping.parse(beat), beat) == [Alive(None)]


@pytest.mark.parametrize("name", CASES)
def test_what_is_damaged_is_unreadable_and_what_is_foreign_was_not_asked_for(name: str) -> None:
    feed, dialect, mapping = pair(name)
    stated = StatedBar(bars_of(feed, dialect)[0], True, START_MS)
    data = dialect.damaged(stated)
    (found,) = mapping.meanings(mapping.parse(data), data)
    assert isinstance(found, Unreadable)
    foreign = dialect.foreign(stated)
    assert foreign is not None
    (other,) = mapping.meanings(mapping.parse(foreign), foreign)
    assert type(other).__name__ == "Unasked"
