"""JSON Lines of log records, plain or gzip: the log itself, in its order."""

from __future__ import annotations

from collections.abc import Iterator

from tapeline.schemas.codec import LONG_RECORD, CodecError, RecordDecoder
from tapeline.schemas.config.model import INPUT_MIB
from tapeline.streams.feeds.items import Item
from tapeline.streams.feeds.lines import LineReader
from tapeline.streams.pipeline.refusals import Refusal


class LogFeed:
    """Records of one log file; see `streams.feeds.items.Feed`."""

    def __init__(self, path: str, copy: str | None = None, limit_mib: int = INPUT_MIB) -> None:
        self.path = path
        self.rows = 0
        self.ignored: tuple[str, ...] = ()
        self._reader = LineReader(path, copy, limit_mib)
        self.sha256 = self._reader.sha256
        self.close = self._reader.close

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far."""
        return self._reader.bytes_read

    def raw(self, row: bytes) -> bytes:
        """Bytes of a line."""
        return row

    def __iter__(self) -> Iterator[Item]:
        """The records in order of the file."""
        decode = RecordDecoder().decode
        for text, first, too_long in self._reader.blocks():
            if too_long:
                self.rows += 1
                yield Refusal("decode_error", LONG_RECORD, None), text, first
                continue
            lines = text.split(b"\n")
            blank = 0
            for number, line in enumerate(lines, first):
                try:
                    item: Item = (decode(line), line, number)
                except CodecError as error:
                    shown = line.removesuffix(b"\r")
                    if not shown.strip():
                        blank += 1
                        continue
                    item = (Refusal(error.code, error.reason, error.symbol), shown, number)
                yield item
            self.rows += len(lines) - blank
