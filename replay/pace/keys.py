"""Keys of a terminal while a replay runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from tapeline.replay.pace.control import Control

HINT = "space pause  → one bar  + - speed  g t s next gap, touch, session  q stop"
RIGHT = "right"
_ESCAPE = 0x1B
_RIGHT_ARROWS = (b"[C", b"OC")
_LONGEST_SEQUENCE = 16
_READ_BYTES = 1_024

ACTIONS: dict[str, Callable[[Control], None]] = {
    " ": Control.toggle,
    RIGHT: Control.step,
    "+": Control.faster,
    "=": Control.faster,  # the same key without shift
    "-": Control.slower,
    "g": lambda control: control.jump_to_next("gap"),
    "t": lambda control: control.jump_to_next("touch"),
    "s": lambda control: control.jump_to_next("session"),
    "i": lambda control: control.jump_to_next("signal"),
    "m": lambda control: control.jump_to_next("mark"),
    "q": Control.stop,
}


class KeyParser:
    """Bytes of a terminal, in pieces of any size, to names of keys.

    Printable ASCII characters name themselves, letters in lower case; an arrow to the right
    (``ESC [ C``, or ``ESC O C`` from a keypad) is `RIGHT`. Other sequences, control characters and
    other bytes are no keys and leave nothing behind.
    """

    def __init__(self) -> None:
        self._sequence: bytearray | None = None

    def feed(self, data: bytes) -> list[str]:
        """Keys that these bytes complete."""
        return [key for byte in data if (key := self._take(byte)) is not None]

    def _take(self, byte: int) -> str | None:
        if byte == _ESCAPE:
            self._sequence = bytearray()
            return None
        sequence = self._sequence
        if sequence is None:
            return _character(byte)
        if not sequence and byte not in b"[O":
            # Escape was pressed by itself, or with this key.
            self._sequence = None
            return _character(byte)
        sequence.append(byte)
        final = len(sequence) > 1 and 0x40 <= byte <= 0x7E
        if final or len(sequence) > _LONGEST_SEQUENCE:
            self._sequence = None
        return RIGHT if bytes(sequence) in _RIGHT_ARROWS else None


def press(control: Control, key: str) -> None:
    """Do what a key means; a key without a meaning does nothing."""
    action = ACTIONS.get(key)
    if action is not None:
        action(control)


@contextmanager
def listening(on_key: Callable[[str], None], stream: TextIO | None = None) -> Iterator[bool]:
    """Hand keys over from the running event loop until the block ends.

    The terminal shows no typed characters meanwhile and gives them without a line's end; control-C
    interrupts as ever. However the block ends, the terminal is as it was.

    Parameters
    ----------
    on_key
        Called with each key, such as ``partial(press, control)``.
    stream
        Standard input by default. If it is no terminal, or one that another process group has in
        the foreground, nothing is done.

    Yields
    ------
    bool
        Whether keys are read.
    """
    descriptor = _terminal(sys.stdin if stream is None else stream)
    if descriptor is None:
        yield False
        return
    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(descriptor)
    parser = KeyParser()

    def read() -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:  # the terminal is gone
            data = b""
        if not data:
            loop.remove_reader(descriptor)
        for key in parser.feed(data):
            on_key(key)

    def listen() -> None:
        tty.setcbreak(descriptor, termios.TCSANOW)

    try:
        listen()
        loop.add_reader(descriptor, read)
        with _called_when_continued(loop, listen):
            yield True
    finally:
        loop.remove_reader(descriptor)
        # A process in the background would be stopped by this; its shell took the terminal back.
        if _in_foreground(descriptor):
            with suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(descriptor, termios.TCSANOW, before)
                termios.tcflush(descriptor, termios.TCIFLUSH)


@contextmanager
def _called_when_continued(
    loop: asyncio.AbstractEventLoop, listen: Callable[[], None]
) -> Iterator[None]:
    """A process stopped by control-Z may find the terminal changed when it goes on."""
    try:
        loop.add_signal_handler(signal.SIGCONT, listen)
    except (RuntimeError, ValueError):  # not the main thread: no handler can be set
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGCONT)


def _character(byte: int) -> str | None:
    return chr(byte).lower() if 0x20 <= byte <= 0x7E else None


def _terminal(stream: TextIO) -> int | None:
    """Descriptor of a terminal whose keys are ours."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None
    return descriptor if os.isatty(descriptor) and _in_foreground(descriptor) else None


def _in_foreground(descriptor: int) -> bool:
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # no controlling terminal: no process is stopped for changing it
        return True
