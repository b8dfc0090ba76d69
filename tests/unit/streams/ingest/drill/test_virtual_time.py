"""Time that jumps while nothing happens, and stands still while something does."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from tapeline.schemas.instants import HOUR_MS
from tapeline.streams.ingest.drill.virtual_time import VirtualClock, run_virtual

START_MS = 1_796_049_060_000


def test_an_hour_of_waiting_passes_at_once() -> None:
    async def wait() -> tuple[int, int]:
        clock = VirtualClock(asyncio.get_running_loop(), START_MS)
        first = clock()
        await clock.until(START_MS + HOUR_MS)
        now = clock()
        return now.wall_ms - START_MS, now.mono_ms - first.mono_ms

    begun = time.monotonic()
    assert run_virtual(wait) == (HOUR_MS, HOUR_MS)
    assert time.monotonic() - begun < 60


def test_timers_go_off_in_their_order() -> None:
    async def wait() -> list[str]:
        found: list[str] = []
        loop = asyncio.get_running_loop()
        for seconds in (30.0, 3_000.0, 0.2):
            loop.call_later(seconds, found.append, str(seconds))
        await asyncio.sleep(4_000)
        return found

    assert run_virtual(wait) == ["0.2", "30.0", "3000.0"]


def test_no_time_passes_while_a_thread_works() -> None:
    async def work() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        beating = asyncio.create_task(asyncio.sleep(3_600))
        with ThreadPoolExecutor(1) as pool:
            await loop.run_in_executor(pool, time.sleep, 0.2)
        beating.cancel()
        return loop.time() - begun

    assert run_virtual(work) == 0


def test_what_is_sent_over_a_socket_comes_before_the_next_timer() -> None:
    async def talk() -> tuple[list[bytes], int]:
        loop = asyncio.get_running_loop()
        heard: list[bytes] = []
        done = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                heard.append(line)
                writer.write(line.upper())
            writer.close()
            await writer.wait_closed()
            done.set()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        late = 0
        for number in range(50):
            timer, begun = loop.call_later(1, int), loop.time()
            writer.write(b"line %d\n" % number)
            assert await reader.readline() == b"LINE %d\n" % number
            late += loop.time() != begun
            timer.cancel()
        writer.close()
        await writer.wait_closed()
        await done.wait()
        server.close()
        await server.wait_closed()
        return heard, late

    heard, late = run_virtual(talk)
    assert len(heard) == 50
    # On a machine that stands still a timer may go off before what was sent is there.
    assert late <= 5
