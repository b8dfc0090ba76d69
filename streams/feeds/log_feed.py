"""JSON Lines of log records, plain or gzip: the log itself, in its order."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.codec import CodecError, RecordDecoder
from streams.feeds.items import Item, Refusal
from streams.feeds.lines import LINE_LIMIT_BYTES, LineReader


class LogFeed:
    """Records of one log file; see `streams.feeds.items.Feed`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows = 0
        self.ignored: tuple[str, ...] = ()
        self._reader = LineReader(path)

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far."""
        return self._reader.bytes_read

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __iter__(self) -> Iterator[Item]:
        """The records in order of the file."""
        decode = RecordDecoder().decode
        for number, line in enumerate(self._reader.lines(), 1):
            if len(line) > LINE_LIMIT_BYTES:
                reason = f"the line is longer than {LINE_LIMIT_BYTES} bytes"
                self.rows += 1
                yield Item(Refusal("decode_error", reason, None), line, number)
                continue
            try:
                item = Item(decode(line), line, number)
            except CodecError as error:
                if not line.strip():
                    continue
                item = Item(Refusal(error.code, error.reason, error.symbol), line, number)
            self.rows += 1
            yield item
