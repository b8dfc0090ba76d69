"""`tapeline feed drill`: every script against a feed of the configuration, one after the other."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.values import with_nearest
from tapeline.schemas.errors import TapelineError
from tapeline.schemas.instants import SECOND_MS
from tapeline.streams.errors import InputError
from tapeline.streams.ingest.drill.checks import broken_promises, counted
from tapeline.streams.ingest.drill.scene import DrillSetup, Scene, drill_setup
from tapeline.streams.ingest.drill.scripts import SCRIPTS, Script
from tapeline.streams.ingest.drill.virtual_time import run_virtual

LONGEST_S: Final = 7 * 24 * 3_600.0
"""Virtual time that no script needs."""
Outcome = Literal["held", "failed", "skipped"]


class ScriptResult(Struct, frozen=True, kw_only=True):
    """What became of a script.

    Attributes
    ----------
    does
        What the provider did.
    why
        Of ``failed`` what does not hold, of ``skipped`` why it cannot be played.
    seconds
        Virtual time that it took.
    """

    name: str
    does: str
    outcome: Outcome
    why: tuple[str, ...] = ()
    seconds: int = 0
    counts: dict[str, int] = {}


class FeedDrill(Struct, frozen=True, kw_only=True):
    """The result of all scripts."""

    feed: str
    symbols: tuple[str, ...]
    results: tuple[ScriptResult, ...]

    @property
    def holds(self) -> bool:
        """Whether no script failed."""
        return all(each.outcome != "failed" for each in self.results)


def chosen_scripts(names: Sequence[str]) -> tuple[Script, ...]:
    """Scripts of some names; none: all.

    Raises
    ------
    InputError
        When there is no script of a name.
    """
    known = {script.name: script for script in SCRIPTS}
    for name in names:
        if name not in known:
            raise InputError(f"--script {name}: the scripts are {with_nearest(name, list(known))}")
    return tuple(known[name] for name in names) or SCRIPTS


def drill_feed(
    feed: FeedConfig,
    config: Config,
    scripts: Sequence[Script],
    now_ms: int,
    show: Callable[[ScriptResult], None] | None = None,
    seed: int = 1,
) -> FeedDrill:
    """Play scripts against a feed; nothing but loopback is connected to.

    Parameters
    ----------
    now_ms
        Scripts play in a session before this instant, UTC.
    show
        Called with each result.
    seed
        Of the feed's waits.

    Raises
    ------
    InputError
        When the feed cannot be drilled.
    """
    setup = drill_setup(feed, config, now_ms)
    results = []
    for script in scripts:
        with tempfile.TemporaryDirectory(prefix="tapeline-drill-") as folder:
            place = Path(folder)
            result = run_virtual(partial(_play, setup, script, place, seed))
        results.append(result)
        if show is not None:
            show(result)
    return FeedDrill(feed=feed.name, symbols=tuple(setup.feed.symbols), results=tuple(results))


async def _play(setup: DrillSetup, script: Script, folder: Path, seed: int) -> ScriptResult:
    scene = Scene(setup, folder, seed)
    reason = script.need(scene)
    if reason:
        return _result(script, "skipped", [reason])
    begun_ms = scene.now_ms
    try:
        try:
            async with asyncio.timeout(LONGEST_S):
                await script.play(scene)
                await scene.calm()
        finally:
            await scene.close()
        found = list(script.verdict(scene))
        if scene.left is None:
            found += broken_promises(scene)
        elif not script.ends:
            found.append(f"the feed ended: {scene.left.message}")
        if scene.provider.strange:
            found.append(f"the provider does not know the address {scene.provider.strange[0]}")
    except TimeoutError:
        return _result(script, "failed", ["the script came to no end"])
    except (TapelineError, OSError) as error:
        return _result(script, "failed", [str(error)])
    result = _result(script, "failed" if found else "held", found)
    seconds = (scene.now_ms - begun_ms) // SECOND_MS
    return ScriptResult(
        name=result.name,
        does=result.does,
        outcome=result.outcome,
        why=result.why,
        seconds=seconds,
        counts=counted(scene),
    )


def _result(script: Script, outcome: Outcome, why: Sequence[str]) -> ScriptResult:
    return ScriptResult(name=script.name, does=script.does, outcome=outcome, why=tuple(why))
