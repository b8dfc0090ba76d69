"""Logs of a worker: lines for people or JSON for machines, and a limit for what repeats."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

import orjson

from tapeline.schemas.instants import iso_now
from tapeline.streams.outputs.escaping import PlainFormatter, escaped_json, writable

LINES = 5
WINDOW_S = 10.0
NOISY = ("aiokafka", "faust", "mode")
PLAIN = "%(asctime)s %(levelname)s %(name)s: %(message)s"
EXPECTED = "Topic creation disabled!"
"""Faust logs it for every topic; ours are made by `tapeline topics create`."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (ISO, UTC), level, logger, message, and the error if any."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {
            "time": iso_now(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        whole = {name: writable(text) for name, text in line.items()}
        return escaped_json(orjson.dumps(whole).decode())


class RepetitionFilter(logging.Filter):
    """Lets a few lines of one kind pass in a while, then logs how many it held back.

    While a broker is down its client logs the same tens of thousands of times.

    Parameters
    ----------
    lines
        How many of one kind (logger and text before its values) pass in one window.
    """

    def __init__(
        self,
        lines: int = LINES,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._lines = lines
        self._window_s = window_s
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes."""
        text = str(record.msg)
        if text.startswith(EXPECTED):
            return False
        if record.name.partition(".")[0] not in NOISY:
            return True
        kind = (record.name, text[:80])
        now = self._clock()
        since, count = self._seen.get(kind, (now, 0))
        if now - since >= self._window_s:
            if count > self._lines:
                record.msg = f"{text} (and {count - self._lines} more of the kind held back)"
            since, count = now, 0
        self._seen[kind] = (since, count + 1)
        return count < self._lines


def set_up_logging(as_json: bool, level: int = logging.INFO) -> None:
    """Send all logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter(PLAIN))
    handler.addFilter(RepetitionFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # What they log of every request is of no use to who runs a worker.
    for name in (*NOISY, "tapeline.streams.worker"):
        logging.getLogger(name).setLevel(logging.WARNING)


def log_line(message: str, with_error: bool) -> None:
    """Write one line of JSON for what ends a worker before, or instead of, its run.

    Parameters
    ----------
    with_error
        Add what is being handled, with its traceback.
    """
    set_up_logging(as_json=True)
    logging.getLogger("tapeline.worker").critical(message, exc_info=with_error)
