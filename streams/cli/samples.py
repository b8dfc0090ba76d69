"""The part of the command line for first steps: sample books, and an exchange on loopback."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from tapeline.streams.cli.options import JsonOption, check_can_be_folder
from tapeline.streams.feeds.live.exchange.faults import (
    FAULT_MEANINGS,
    PlannedFault,
    parse_fault,
)
from tapeline.streams.feeds.samples import SEED, SESSIONS, write_samples
from tapeline.streams.outputs.terminal import print_document, print_line, print_text

if TYPE_CHECKING:
    from tapeline.streams.feeds.live.exchange.server import SampleExchange

PORT = 8790
BOOKS = "FOLDER"
FEED = "feed"
FEED_NAME = "demo"
FAULTS = "; ".join(f"{kind} {meaning}" for kind, meaning in FAULT_MEANINGS.items())


class _SampleGroup(TyperGroup):
    """``sample FOLDER`` beside ``sample feed``: what is no command is the folder of books."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the command that is meant, then parse."""
        if args[:1] not in ([FEED], ["--help"]):
            args = [BOOKS, *args]
        return super().parse_args(ctx, args)


sample_app = typer.Typer(
    cls=_SampleGroup, help="Write sample books into a folder, or run a small exchange."
)


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the command line."""
    app.add_typer(sample_app, name="sample")


@sample_app.command(BOOKS)
def sample_books(
    folder: Annotated[Path, typer.Argument(help="Where the books go.")],
    sessions: Annotated[int, typer.Option(min=1, max=1000, help="Trading sessions.")] = SESSIONS,
    seed: Annotated[int, typer.Option(help="Another seed, another walk.")] = SEED,
    json: JsonOption = False,
) -> None:
    """Write deterministic sample books: ES, NQ and an equity, and some with faults."""
    check_can_be_folder(folder)
    files = write_samples(folder, sessions, seed)
    if json:
        print_document([str(file) for file in files], compact=True)
        return
    for file in files:
        print_line(file)


@sample_app.command(FEED)
def sample_feed(
    folder: Annotated[
        Path | None, typer.Argument(help="Where a tapeline.toml with the feed demo is written.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port on loopback; 0: a free one.")
    ] = PORT,
    seed: Annotated[int, typer.Option(help="Another seed, other prices.")] = SEED,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="KIND@20s", help=f"Several may be given: {FAULTS}."),
    ] = None,
    config: Annotated[
        bool, typer.Option("--config", help="Print the configuration, and run nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run a small exchange on loopback: three symbols, bars of one second, and their history."""
    from tapeline.streams.feeds.live.exchange.market import SampleMarket
    from tapeline.streams.feeds.live.exchange.server import SampleExchange

    faults = [parse_fault(text) for text in fault or ()]
    exchange = SampleExchange(SampleMarket(seed=seed), port)
    if config:
        print_text(_settings_of(exchange))
        return
    if folder is not None:
        check_can_be_folder(folder)
    if asyncio.run(_serve(exchange, faults, folder, json)) == signal.SIGINT:
        raise KeyboardInterrupt


def _settings_of(exchange: SampleExchange) -> str:
    from tapeline.streams.feeds.live.exchange.settings import HEAD, sample_settings

    return HEAD + sample_settings(exchange, FEED_NAME)


async def _serve(
    exchange: SampleExchange, faults: list[PlannedFault], folder: Path | None, json: bool
) -> int:
    """Run the exchange; the signal that ended it."""
    from tapeline.streams.feeds.live.exchange.settings import write_settings

    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if not ended.done():
            ended.set_result(number)

    def have(fault: PlannedFault) -> None:
        print_line(f"{fault.at_s} s: {fault.kind}", err=True)
        exchange.ask(fault.kind, fault.length_s)

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, end, each)
    try:
        await exchange.start()
        written = None if folder is None else write_settings(folder, _settings_of(exchange))
        _report(exchange, written, json)
        for fault in faults:
            loop.call_later(fault.at_s, have, fault)
        return await ended
    finally:
        await exchange.stop()


def _report(exchange: SampleExchange, config: Path | None, json: bool) -> None:
    stream = f"ws://127.0.0.1:{exchange.port}/stream"
    history = f"http://127.0.0.1:{exchange.port}/bars"
    symbols = exchange.market.symbols
    if json:
        shown = None if config is None else str(config)
        document = {"stream": stream, "history": history, "symbols": symbols, "config": shown}
        print_document(document, compact=True)
        return
    print_line(f"Bars of {', '.join(symbols)}: {stream}")
    print_line(f"Their history: {history}")
    if config is not None:
        print_line(f"Next: tapeline ingest {FEED_NAME} --config {config} --store live")
