"""Reads ``[feeds.<name>]``: the file's keys over those of a preset, and how they go together."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from tapeline.schemas.config.feed_keys import (
    FEED_READERS,
    KEYS,
    MERGED,
    TABLE_READERS,
    read_notices,
)
from tapeline.schemas.config.feed_mapping import (
    AliveTable,
    BarTable,
    HistoryTable,
    MappingTables,
    NoticeTable,
    StepTable,
)
from tapeline.schemas.config.feed_paths import (
    TextPart,
    Variable,
    address_parts,
    message_parts,
    parse_path,
)
from tapeline.schemas.config.feed_values import HISTORY_VARIABLES, refuse_other_variables
from tapeline.schemas.config.feeds import (
    FeedConfig,
    FeedKind,
    HistoryConfig,
    KeepaliveConfig,
    SessionConfig,
    TruthConfig,
)
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.values import (
    ConfigKey,
    as_table,
    read_name,
    read_table,
    refuse_unknown_key,
    with_nearest,
)

SCHEMES: dict[FeedKind, tuple[str, ...]] = {
    "websocket": ("wss://", "ws://"),
    "http": ("https://", "http://"),
    "kafka": ("kafka://",),
    "webhook": ("http://",),
    "tail": ("file:",),
    "databento": ("tcp://",),
}
_SEPARATORS = frozenset(",/;+ |")


def preset_names() -> tuple[str, ...]:
    """Names of the shipped presets."""
    folder = resources.files("tapeline.schemas.config").joinpath("presets")
    return tuple(sorted(each.name[:-5] for each in folder.iterdir() if each.name.endswith(".toml")))


def preset_text(name: str) -> str:
    """A shipped preset as it stands in its file."""
    folder = resources.files("tapeline.schemas.config").joinpath("presets")
    return folder.joinpath(f"{name}.toml").read_text("utf-8")


@lru_cache(maxsize=16)
def _preset(name: str) -> dict[str, Any]:
    return tomllib.loads(preset_text(name))


def read_feeds(value: object, at: ConfigKey, config: Config) -> dict[str, FeedConfig]:
    """All feeds of a file, checked against its instruments and against each other."""
    feeds: dict[str, FeedConfig] = {}
    for name, entry in as_table(value, at).items():
        read_name(name, at.child(name))
        feeds[name] = _read_feed(name, as_table(entry, at.child(name)), at.child(name))
    for feed in feeds.values():
        _check_symbols(feed, config, at.child(feed.name))
    _check_backups(feeds, at)
    return feeds


def _read_feed(name: str, own: dict[str, Any], at: ConfigKey) -> FeedConfig:
    for key, value in own.items():
        if key not in KEYS:
            refuse_unknown_key(key, value, at, KEYS)
    table = _merged(own, at)
    fields = read_table({key: table[key] for key in FEED_READERS if key in table}, at, FEED_READERS)
    tables = {
        key: read_table(table.get(key, {}), at.child(key), readers)
        for key, readers in TABLE_READERS.items()
    }
    notices = read_notices(table.get("notice", []), at.child("notice"))
    for key in ("kind", "symbols"):
        if key not in fields:
            _missing(key, own, at)
    kind: FeedKind = fields["kind"]
    if kind != "databento" and not fields.get("url", "").startswith(SCHEMES[kind]):
        if "url" not in fields:
            _missing("url", own, at)
        at.child("url").refuse(fields["url"], f"{' or '.join(SCHEMES[kind])}... for kind {kind}")
    if "secrets_file" in fields:
        fields["secrets_file"] = str(Path(at.file).parent / fields["secrets_file"])
        table["secrets_file"] = str(Path(fields["secrets_file"]).absolute())
    mapping = None
    if kind != "databento":
        mapping = _mapping(fields, tables, notices, at)
        _check_variables(fields["url"], mapping, kind, at)
        _check_one_symbol(fields["url"], fields["symbols"], at.child("url"))
    return FeedConfig(
        name=name,
        kind=kind,
        url=fields.get("url", ""),
        symbols=fields["symbols"],
        session=_session(tables["session"]),
        history=_history(tables["history"]) if "history" in table else None,
        truth=TruthConfig(**_in_ms(tables["truth"], TruthConfig)),
        backup=fields.get("backup", ""),
        reclaim=fields.get("reclaim", False),
        mapping=mapping,
        headers=fields.get("headers", ()),
        secrets_file=fields.get("secrets_file", ""),
        table=table,
    )


def _missing(key: str, own: dict[str, Any], at: ConfigKey) -> NoReturn:
    at.refuse(sorted(own), f"a feed with {key}, its own or that of a preset (use = ...)")


def _merged(own: dict[str, Any], at: ConfigKey) -> dict[str, Any]:
    """The table over that of its preset: tables of `MERGED` key by key, all others whole."""
    used = own.get("use")
    if used is None:
        return dict(own)
    names = preset_names()
    if used not in names:
        shown = with_nearest(used, names) if isinstance(used, str) else ", ".join(names)
        at.child("use").refuse(used, f"a preset: {shown}")
    table = {**_preset(used), **own}
    del table["use"]
    for key in MERGED:
        below = _preset(used).get(key)
        if key in own and isinstance(below, dict) and isinstance(own[key], dict):
            table[key] = {**below, **own[key]}
    return table


def _in_ms(fields: dict[str, Any], struct: type) -> dict[str, Any]:
    """Fields of a struct whose names say milliseconds, of keys that do not."""
    names = struct.__struct_fields__  # type: ignore[attr-defined]
    named = {key if key in names else f"{key}_ms": value for key, value in fields.items()}
    return {key: value for key, value in named.items() if key in names}


def _session(fields: dict[str, Any]) -> SessionConfig:
    settings = _in_ms(fields, SessionConfig)
    if "keepalive" in settings:
        settings["keepalive"] = KeepaliveConfig(**_in_ms(settings["keepalive"], KeepaliveConfig))
    return SessionConfig(**settings)


def _history(fields: dict[str, Any]) -> HistoryConfig:
    settings = _in_ms(fields, HistoryConfig)
    if "rate" in fields:
        settings["requests"] = fields["rate"]["requests"]
        settings["per_ms"] = fields["rate"]["per"]
    return HistoryConfig(**settings)


def _mapping(
    fields: dict[str, Any], tables: dict[str, Any], notices: Any, at: ConfigKey
) -> MappingTables:
    session, bar = tables["session"], tables["bar"]
    for key in ("start", "prices"):
        if key not in bar:
            at.child("bar").refuse(sorted(bar), f"a table with {key}")
    alive = session.get("alive")
    history = None
    if tables["history"]:
        history = _history_table(tables["history"], bar, at.child("history"))
    return MappingTables(
        topic=session.get("topic", "{symbol}"),
        steps=tuple(StepTable(**step) for step in session.get("open", ())),
        alive=None if alive is None else AliveTable(**_in_ms(alive, AliveTable)),
        bar=_bar_table(bar),
        notices=tuple(NoticeTable(**_in_ms(each, NoticeTable)) for each in notices),
        history=history,
        intervals=fields.get("interval"),
        parameters=fields.get("parameters", {}),
        secret=fields.get("secret"),
    )


def _bar_table(bar: dict[str, Any]) -> BarTable:
    fields = dict(bar)
    if "volume" in fields:
        fields["volume"], fields["volume_default"] = fields["volume"]
    return BarTable(**fields)


_SHARED: tuple[str, ...] = ("start", "prices", "volume", "empty")
"""Keys that rows of a history have of the stream's bars where they have none of their own."""
_OF_ROWS: tuple[str, ...] = ("symbol", "interval", "where")
"""Keys of rows that have nothing to do with those of the stream's bars."""


def _history_table(history: dict[str, Any], bar: dict[str, Any], at: ConfigKey) -> HistoryTable:
    for key in ("url", "rows"):
        if key not in history:
            at.refuse(sorted(history), f"a table with {key}")
    rows = {key: bar[key] for key in _SHARED if key in bar}
    rows |= {key: history[key] for key in (*_SHARED, *_OF_ROWS) if key in history}
    table = HistoryTable(
        url=history["url"],
        headers=history.get("headers"),
        rows=_bar_table({**rows, "each": history["rows"]}),
        error=history.get("error"),
        next=history.get("next"),
        next_auth=history.get("next_auth", ""),
        limit=history.get("limit"),
        end_included=history.get("end", "inclusive") == "inclusive",
    )
    _check_pages(table, history.get("per_request", 1), at)
    return table


def _check_pages(table: HistoryTable, per_request: int, at: ConfigKey) -> None:
    names = {part.name for part in address_parts(table.url) if isinstance(part, Variable)}
    if per_request > 1 and names & {"symbol", "topic"}:
        at.child("per_request").refuse(per_request, "1 with {symbol} in the address")
    if per_request > 1 and table.next is None and table.limit is not None:
        # Behind whose last row would the next page begin?
        at.child("per_request").refuse(per_request, "1 where a full answer ends a page: name next")
    named = table.rows.symbol is not None or any(
        step.kind == "symbol" for each in table.rows.each for step in parse_path(each).steps
    )
    if per_request > 1 and not named:
        at.child("per_request").refuse(per_request, "1 where rows have no symbol")
    if "limit" in names and table.limit is None:
        at.child("url").refuse(table.url, "{limit} beside the key limit")


def _check_variables(url: str, mapping: MappingTables, kind: FeedKind, at: ConfigKey) -> None:
    """Every variable is known, and what it stands for is there."""
    own = tuple(mapping.parameters)
    ours = ("symbols", "topics", "symbol", "topic", "interval")
    texts: list[tuple[str, tuple[TextPart, ...], tuple[str, ...], ConfigKey]] = [
        (url, address_parts(url), (*ours, *own), at.child("url")),
        (
            mapping.topic,
            address_parts(mapping.topic),
            ("symbol", "interval", *own),
            at.child("session").child("topic"),
        ),
    ]
    for index, step in enumerate(mapping.steps):
        below = at.child("session").child("open").item(index).child("send")
        texts.append((step.send, message_parts(step.send), (*ours, "id", *own), below))
    if mapping.history is not None:
        below = at.child("history").child("url")
        address = mapping.history.url
        known = (*ours, "limit", *HISTORY_VARIABLES, *own)
        texts.append((address, address_parts(address), known, below))
    for value, parts, known, below in texts:
        refuse_other_variables(parts, known, below, value)
        found = [part for part in parts if isinstance(part, Variable)]
        if mapping.intervals is None and any(part.name == "interval" for part in found):
            below.refuse(value, "{interval} beside a table interval of the provider's words")
        for part in found:
            _check_form(part, value, below)
    if mapping.secret is not None and kind != "webhook":
        at.child("secret").refuse(mapping.secret.path, "a secret of messages for kind webhook")


def _check_one_symbol(url: str, symbols: dict[str, str], at: ConfigKey) -> None:
    """An address with one symbol is not that of several."""
    names = {part.name for part in address_parts(url) if isinstance(part, Variable)}
    if len(symbols) > 1 and names & {"symbol", "topic"}:
        at.refuse(url, "{symbols} or {topics} in the address of several symbols")


def _check_form(part: Variable, value: str, at: ConfigKey) -> None:
    if part.form is None:
        return
    if part.name in ("symbol", "topic") and part.form in ("lower", "upper"):
        return
    if part.name in ("symbols", "topics") and part.form in _SEPARATORS:
        return
    at.refuse(
        value, "{symbol:lower}, {symbol:upper}, and {symbols:,} with one of , / ; + | between"
    )


def _check_symbols(feed: FeedConfig, config: Config, at: ConfigKey) -> None:
    for symbol in feed.symbols:
        instrument = config.instrument(symbol)
        if instrument is None:
            at.child("symbols").refuse(symbol, "symbols that [instruments] accepts")
        words = None if feed.mapping is None else feed.mapping.intervals
        if words is not None and instrument.base not in words:
            at.child("symbols").refuse(
                symbol,
                f"symbols whose base is one of {', '.join(words)}, as the provider has no word for"
                f" others; {symbol} has {instrument.base}",
            )


def _check_backups(feeds: dict[str, FeedConfig], at: ConfigKey) -> None:
    """A symbol is in one feed, or in two of which one is the backup of the other."""
    backed: dict[str, str] = {}
    for name, feed in feeds.items():
        if not feed.backup:
            continue
        other = feeds.get(feed.backup)
        below = at.child(name).child("backup")
        if other is None or other is feed:
            below.refuse(feed.backup, f"another feed: {', '.join(each for each in feeds)}")
        if other.backup or feed.backup in backed:
            below.refuse(feed.backup, "a feed that has no backup, and is that of no other feed")
        backed[feed.backup] = name
    owner: dict[str, str] = {}
    for name, feed in feeds.items():
        for symbol in feed.symbols:
            first = owner.setdefault(symbol, name)
            if first != name and backed.get(name) != first and backed.get(first) != name:
                at.child(name).child("symbols").refuse(
                    symbol, f"symbols of no other feed; {symbol} is in {first}"
                )
