"""Keys of a terminal, and the terminal as it was afterwards."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.replay.pace.control import Control, ControlState
from tapeline.replay.pace.keys import HINT, RIGHT, KeyParser, listening, press

PATIENCE_S = 180


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b" ", [" "]),
        (b"+-gtsq", ["+", "-", "g", "t", "s", "q"]),
        (b"G", ["g"]),
        (b"\x1b[C", [RIGHT]),
        (b"\x1bOC", [RIGHT]),
        (b"\x1b[C\x1b[C ", [RIGHT, RIGHT, " "]),
        (b"\x1b[A\x1b[B\x1b[D", []),
        (b"\x1b[1;5C", []),
        (b"\x1b[3~q", ["q"]),
        (b"\x1b\x1b[C", [RIGHT]),
        (b"\x1bq", ["q"]),
        (b"\x1b", []),
        (b"\x1b[" + b"1" * 1_000 + b"q", ["1"] * 984 + ["q"]),
        (b"\n\t\x00\x7f", []),
        ("é→".encode(), []),
    ],
)
def test_bytes_are_keys(data: bytes, keys: list[str]) -> None:
    assert KeyParser().feed(data) == keys


@given(data=st.lists(st.sampled_from([b"\x1b", b"[", b"O", b"C", b"q", b" ", b"1", b";"])))
def test_keys_do_not_depend_on_how_the_bytes_arrive(data: list[bytes]) -> None:
    parser = KeyParser()
    one_by_one = [key for piece in data for key in parser.feed(piece)]
    assert one_by_one == KeyParser().feed(b"".join(data))


def after(keys: str, **given: Any) -> ControlState:
    control = Control(**given)
    for key in keys:
        press(control, RIGHT if key == ">" else key)
    return control.state


def test_space_pauses_and_resumes() -> None:
    assert after(" ").paused
    assert not after("  ").paused


def test_plus_and_minus_change_the_speed() -> None:
    assert after("+", speed=600).speed == 1_000
    assert after("=", speed=600).speed == 1_000
    assert after("--", speed=600).speed == 200


@pytest.mark.parametrize(("key", "landmark"), [("g", "gap"), ("t", "touch"), ("s", "session")])
def test_letters_jump(key: str, landmark: str) -> None:
    assert after(key).toward == landmark


def test_q_stops() -> None:
    assert after("q").stopped


def test_an_arrow_lets_one_record_go() -> None:
    control = Control(paused=True)
    press(control, RIGHT)
    assert [control.at_once(0), control.at_once(0)] == [True, False]


def test_other_keys_do_nothing() -> None:
    assert after("xyz1?[") == Control().state


def test_the_hint_names_the_keys() -> None:
    assert [
        key for key in ("space", "→", "+", "-", " g ", " t ", " s ", "q ") if key not in HINT
    ] == []


class Terminal:
    """Two ends of a terminal: what a user types on, and what the program reads."""

    def __init__(self) -> None:
        self.user, self.descriptor = pty.openpty()
        self.stream = open(self.descriptor, closefd=False)  # noqa: SIM115 - closed below

    def type(self, text: str) -> None:
        os.write(self.user, text.encode())

    @property
    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.descriptor)

    def close(self) -> None:
        self.stream.close()
        os.close(self.descriptor)
        os.close(self.user)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    both = Terminal()
    yield both
    both.close()


async def test_keys_arrive_one_by_one_and_without_a_line_end(terminal: Terminal) -> None:
    keys: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.timeout(PATIENCE_S):
        with listening(keys.put_nowait, terminal.stream) as heard:
            assert heard
            terminal.type("g")
            assert await keys.get() == "g"
            terminal.type("\x1b[C+")
            assert [await keys.get(), await keys.get()] == [RIGHT, "+"]


async def test_the_terminal_is_quiet_meanwhile_and_as_it_was_afterwards(terminal: Terminal) -> None:
    before = terminal.modes
    with listening(lambda key: None, terminal.stream):
        meanwhile = terminal.modes
        assert not meanwhile[3] & (termios.ECHO | termios.ICANON)
        assert meanwhile[3] & termios.ISIG
    assert terminal.modes == before


async def test_the_terminal_is_as_it_was_after_an_exception(terminal: Terminal) -> None:
    before = terminal.modes
    with pytest.raises(RuntimeError, match="broken"), listening(lambda key: None, terminal.stream):
        raise RuntimeError("broken")
    assert terminal.modes == before
    assert not asyncio.get_running_loop().remove_reader(terminal.descriptor)


async def test_the_terminal_is_as_it_was_after_a_cancellation(terminal: Terminal) -> None:
    before = terminal.modes
    listens = asyncio.Event()

    async def replay() -> None:
        with listening(lambda key: None, terminal.stream):
            listens.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(replay())
    await listens.wait()
    assert terminal.modes != before
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert terminal.modes == before


async def test_a_key_ends_a_wait(terminal: Terminal) -> None:
    control = Control(0.1)
    assert control.at_once(0)
    async with asyncio.timeout(PATIENCE_S):
        with listening(partial(press, control), terminal.stream):
            terminal.type("q")
            assert not await control.release(3_600_000)


async def test_a_terminal_that_goes_away_is_forgotten(terminal: Terminal) -> None:
    loop = asyncio.get_running_loop()
    faults: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: faults.append(context))
    with listening(lambda key: None, terminal.stream):
        os.close(terminal.user)
        terminal.user = os.open(os.devnull, os.O_RDONLY)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not loop.remove_reader(terminal.descriptor)
    assert faults == []


async def test_what_is_no_terminal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text("q")
    control = Control()
    with open(tmp_path / "bars.csv") as file, listening(partial(press, control), file) as heard:
        assert not heard
        await asyncio.sleep(0)
        assert file.read() == "q"
    with listening(partial(press, control), io.StringIO("q")) as heard:
        assert not heard
    assert not control.state.stopped


REPLAY = """
import asyncio, os
from functools import partial
from tapeline.replay.pace.control import Control
from tapeline.replay.pace.keys import listening, press

async def replay():
    control = Control(0.1)
    with listening(partial(press, control)) as heard:
        print("listens" if heard else "does not", flush=True)
        await control.release(0)
        await control.release(3_600_000)

# The first terminal that the leader of a session opens is the one that interrupts it.
os.close(os.open(os.ttyname(0), os.O_RDWR))
asyncio.run(replay())
"""


@pytest.mark.parametrize(("typed", "code"), [("q", 0), ("\x03", -signal.SIGINT)])
def test_a_program_leaves_its_terminal_as_it_was_also_when_interrupted(
    terminal: Terminal, typed: str, code: int
) -> None:
    before = terminal.modes
    with subprocess.Popen(
        [sys.executable, "-c", REPLAY],
        stdin=terminal.descriptor,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as program:
        assert program.stdout is not None
        try:
            assert program.stdout.readline() == b"listens\n"
            assert terminal.modes != before
            terminal.type(typed)
            assert program.wait(PATIENCE_S) == code
        finally:
            program.kill()
    assert terminal.modes == before
