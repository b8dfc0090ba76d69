"""JSON of records and events: typed decoding with stable error codes, compact encoding.

Wire form is UTF-8 JSON without spaces, fields in the order of the structs, floats as the shortest
text of the double.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NoReturn

import msgspec

from tapeline.schemas.errors import InternalError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event, Reject, Retract
from tapeline.schemas.feed_events import FeedEvent, Unnumbered
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.records import LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.symbols import NAME_RULE, is_name

ErrorCode = Literal["decode_error", "schema_error"]

Written = LogRecord | Event | Retract | Unnumbered | HostEvent
"""What has a form on the wire."""

EXPONENT_FORM = 1e16
"""From here on JSON writes a double with an exponent, below it a whole one with ``.0``."""
KNOWN_SYMBOLS_LIMIT = 65_536
RECORD_LIMIT_BYTES = 1 << 18
"""A longer one is refused everywhere: lines of files are read no further."""
LONG_RECORD = f"the line is longer than {RECORD_LIMIT_BYTES} bytes"

_ENCODER = msgspec.json.Encoder()
_ANY = msgspec.json.Decoder()


class CodecError(InternalError, ValueError):
    """Bytes that are no record or event of the contracts.

    Attributes
    ----------
    code
        ``decode_error``: no JSON or no UTF-8. ``schema_error``: JSON of another shape.
    reason
        What is wrong, with the path of the field, such as ``$.open``.
    symbol
        The symbol the bytes name, where they can be read that far; else None.
    """

    def __init__(self, code: ErrorCode, reason: str, symbol: str | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.symbol = symbol

    def __reduce__(self) -> tuple[type[CodecError], tuple[ErrorCode, str, str | None]]:
        return (type(self), (self.code, self.reason, self.symbol))


class RecordDecoder:
    """Decodes records of the input log; it remembers the symbols it has already checked."""

    __slots__ = ("_decode", "_known")

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(LogRecord).decode
        self._known: set[str] = set()

    def decode(self, raw: bytes) -> LogRecord:
        """Record of one log entry.

        Raises
        ------
        CodecError
            When the bytes are no record; prices and times are not judged beyond their types.
        """
        if len(raw) > RECORD_LIMIT_BYTES:
            raise CodecError("decode_error", LONG_RECORD)
        try:
            record: LogRecord = self._decode(raw)
        except (ValueError, RecursionError) as error:
            _refuse(raw, error)
        if record.symbol not in self._known:
            self._remember(record.symbol)
        return record

    def _remember(self, symbol: str) -> None:
        if not is_name(symbol):
            raise CodecError("schema_error", f"Expected {NAME_RULE} - at `$.symbol`")
        if len(self._known) < KNOWN_SYMBOLS_LIMIT:
            self._known.add(symbol)


class _Head(msgspec.Struct):
    type: str
    op: str = "upsert"


class _Named(msgspec.Struct):
    symbol: str


_HEAD = msgspec.json.Decoder(_Head)
_NAMED = msgspec.json.Decoder(_Named)
_RETRACT = msgspec.json.Decoder(Retract)


class EventDecoder:
    """Decodes events of the output topics, those of a registry.

    Parameters
    ----------
    registry
        The types that there are.
    """

    __slots__ = ("_numbered", "_upserts")

    def __init__(self, registry: Registry = EVENTS) -> None:
        self._upserts: dict[str, msgspec.json.Decoder[Any]] = {
            row.tag: msgspec.json.Decoder(row.struct)
            for row in registry.rows
            if row.origin == "fold"
        }
        self._numbered = frozenset(row.tag for row in registry.rows if row.numbered)

    def decode(self, raw: bytes) -> Event | Retract | Reject:
        """Event of one line or message of an output topic, by its ``type`` and ``op``.

        Fields that this version does not know are passed over.

        Raises
        ------
        CodecError
            When the bytes are no event.
        """
        try:
            head = _HEAD.decode(raw)
            decoder = self._upserts.get(head.type)
            if decoder is None:
                raise CodecError("schema_error", f"Invalid value {head.type!r} - at `$.type`")
            if head.op == "retract" and head.type in self._numbered:
                return _RETRACT.decode(raw)
            event: Event | Reject = decoder.decode(raw)
            return event
        except CodecError:
            raise
        except (ValueError, RecursionError) as error:
            _refuse(raw, error)


class FeedEventDecoder:
    """Decodes events of the operations of feeds, those of a registry; see `EventDecoder`."""

    __slots__ = ("_decoders",)

    def __init__(self, registry: Registry = EVENTS) -> None:
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {
            row.tag: msgspec.json.Decoder(row.struct)
            for row in registry.rows
            if row.origin == "feed"
        }

    def decode(self, raw: bytes) -> FeedEvent:
        """Event of one line or message, by its ``type``.

        Raises
        ------
        CodecError
            When the bytes are no event of a feed.
        """
        try:
            kind = _HEAD.decode(raw).type
            decoder = self._decoders.get(kind)
            if decoder is None:
                raise CodecError("schema_error", f"Invalid value {kind!r} - at `$.type`")
            event: FeedEvent = decoder.decode(raw)
            return event
        except CodecError:
            raise
        except (ValueError, RecursionError) as error:
            _refuse(raw, error)


class HostEventDecoder:
    """Decodes events of hosts of strategies, those of a registry; see `EventDecoder`."""

    __slots__ = ("_decoders",)

    def __init__(self, registry: Registry = EVENTS) -> None:
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {
            tag: msgspec.json.Decoder(registry.row(tag).struct) for tag in registry.hosted
        }

    def decode(self, raw: bytes) -> HostEvent:
        """Event of one line or message, by its ``type``.

        Raises
        ------
        CodecError
            When the bytes are no event of a host.
        """
        try:
            kind = _HEAD.decode(raw).type
            decoder = self._decoders.get(kind)
            if decoder is None:
                raise CodecError("schema_error", f"Invalid value {kind!r} - at `$.type`")
            event: HostEvent = decoder.decode(raw)
            return event
        except CodecError:
            raise
        except (ValueError, RecursionError) as error:
            _refuse(raw, error)


_SHIPPED = EventDecoder()
_SHIPPED_OF_HOSTS = HostEventDecoder()


def decode_event(raw: bytes) -> Event | Retract | Reject:
    """Event of one line or message of an output topic; see `EventDecoder.decode`.

    Raises
    ------
    CodecError
        When the bytes are no event.
    """
    return _SHIPPED.decode(raw)


def decode_host_event(raw: bytes) -> HostEvent:
    """Event of one line or message of a host of strategies; see `HostEventDecoder.decode`.

    Raises
    ------
    CodecError
        When the bytes are no event of a host.
    """
    return _SHIPPED_OF_HOSTS.decode(raw)


def encode(value: Written) -> bytes:
    """Compact JSON of a record or event, without a line break."""
    return _ENCODER.encode(value)


def encode_lines(values: Sequence[msgspec.Struct]) -> bytes:
    """Compact JSON of each, with a line break after it."""
    return _ENCODER.encode_lines(values)


def plain(value: Written) -> dict[str, Any]:
    """The JSON of a record or event as plain data: fields by their names on the wire, in order."""
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found


def normal_volume(volume: int | float | None) -> int | float | None:
    """The volume as it is written: whole numbers as integers, so without ``.0``."""
    if isinstance(volume, float) and abs(volume) < EXPONENT_FORM and volume.is_integer():
        return int(volume)
    return volume


def _refuse(raw: bytes, error: Exception) -> NoReturn:
    """Raise the `CodecError` of bytes that a typed decoder did not take."""
    problem = _syntax_problem(raw)
    if problem is not None:
        raise CodecError("decode_error", problem) from error
    raise CodecError("schema_error", str(error), _symbol_of(raw)) from error


def _syntax_problem(raw: bytes) -> str | None:
    """Why the bytes are no JSON; None when they are.

    A typed decoder stops at the first wrong type and never sees that the rest is broken.
    """
    try:
        str(raw, "utf-8")
        _ANY.decode(raw)
    except UnicodeDecodeError as error:
        return f"not UTF-8 (byte {error.start})"
    except msgspec.ValidationError:
        return None  # a number beyond a double is JSON all the same
    except RecursionError:
        return "nested too deeply"
    except msgspec.DecodeError as error:
        return str(error)
    except ValueError:
        return None  # an integer of thousands of digits, likewise
    return None


def _symbol_of(raw: bytes) -> str | None:
    try:
        symbol = _NAMED.decode(raw).symbol
    except (ValueError, RecursionError):
        return None
    return symbol if is_name(symbol) else None
