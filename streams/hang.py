"""A call of a strategy that does not return ends the process: nothing else can end the call.

Wall time never decides what is published. It decides here whether anything more is.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from tapeline.schemas.errors import BROKEN
from tapeline.streams.host import calling
from tapeline.streams.host.driving import HostDriver
from tapeline.streams.host.market import HostRecord
from tapeline.streams.outputs.terminal import print_line

LOOKS = 10
"""How often the watch looks in the time that a call may take."""
PACKAGE = str(Path(__file__).resolve().parents[1])
CALLER = str(Path(calling.__file__).resolve())


def end_process(message: str) -> None:
    """Print why, and end with `BROKEN`: the thread of the call takes no exception."""
    print_line(f"tapeline: {message}", err=True)
    sys.stderr.flush()
    os._exit(BROKEN)


@contextmanager
def ended_when_hanging(
    drivers: Sequence[HostDriver], seconds: float, end: Callable[[str], None] = end_process
) -> Iterator[None]:
    """Watch the calls of strategies until the block ends, whichever thread makes them.

    Parameters
    ----------
    drivers
        Those whose strategies are called, in one thread at a time.
    seconds
        Longest that one record may take.
    end
        Called from another thread with what hangs where, once.
    """
    over = Event()
    watching = Thread(target=_watch, args=(drivers, seconds, over, end), name="hang", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _watch(
    drivers: Sequence[HostDriver],
    seconds: float,
    over: Event,
    end: Callable[[str], None],
) -> None:
    seen: HostRecord | None = None
    since = monotonic()
    while not over.wait(seconds / LOOKS):
        now = next((each.at for each in drivers if each.at is not None), None)
        if now is None or now is not seen:
            seen, since = now, monotonic()
        elif monotonic() - since >= seconds:
            end(_text(now, seconds))
            return


def _text(at: HostRecord, seconds: float) -> str:
    return (
        f"a call of a strategy has not returned for {seconds:g} s, at partition {at.partition},"
        f" offset {at.offset}{_where()}; `enabled = false` in [strategies.<name>] leaves it"
        " out, [host] hang_seconds gives it more time"
    )


def _where() -> str:
    """The innermost line of the strategy's own code; empty where no call is found."""
    for frame in sys._current_frames().values():
        stack = traceback.extract_stack(frame)
        calls = [number for number, each in enumerate(stack) if _path(each) == CALLER]
        called = stack[calls[-1] + 1 :] if calls else []
        if called:
            own = [each for each in called if not _path(each).startswith(PACKAGE)]
            # A strategy may lie in the package itself.
            line = own[-1] if own else called[0]
            return f" ({line.filename}, line {line.lineno}, in {line.name})"
    return ""


def _path(frame: traceback.FrameSummary) -> str:
    return str(Path(frame.filename).resolve())
