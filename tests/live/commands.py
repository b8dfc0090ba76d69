"""Commands of the product over a configuration of the independent provider, as processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.live.provider import DESK_KEY, DESK_TOKEN, SLOW_KEY

WAIT_S = 180.0
SECRETS_SET = {"DESK_KEY": DESK_KEY, "DESK_TOKEN": DESK_TOKEN, "SLOW_KEY": SLOW_KEY}


class Commands:
    """Processes of the command line; their whole output is kept, one file each.

    Parameters
    ----------
    bars
        Counts the bars of the log that came live.
    """

    def __init__(self, place: Path, configuration: str, bars: Callable[[], Awaitable[int]]) -> None:
        self.place = place
        self.config = place / "tapeline.toml"
        self.config.write_text(configuration)
        self._bars = bars
        self._outputs = 0

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        """A process that runs."""
        self._outputs += 1
        with self._output().open("wb") as out:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tapeline", *words, "--config", str(self.config),
                stdout=out, stderr=asyncio.subprocess.STDOUT, env={**os.environ, **SECRETS_SET},
            )  # fmt: skip

    async def run(self, *words: str) -> None:
        """A command that must succeed."""
        process = await self.begin(*words)
        code = await asyncio.wait_for(process.wait(), WAIT_S)
        assert code == 0, self._output().read_text()

    async def live_through(
        self, words: tuple[str, ...], fault: Callable[[], None], bars: int
    ) -> None:
        """A process until it is killed: some bars, a fault of the provider, and as many again."""
        process = await self.begin(*words)
        try:
            known = await self._bars()
            await self._until(process, known + bars)
            fault()
            await self._until(process, known + 2 * bars)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
        assert process.returncode == -signal.SIGKILL, self._output().read_text()

    async def _until(self, process: asyncio.subprocess.Process, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while await self._bars() < count:
                assert process.returncode is None, self._output().read_text()
                await asyncio.sleep(0.05)

    def _output(self) -> Path:
        return self.place / f"output-{self._outputs}.txt"
