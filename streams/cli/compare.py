"""The part of the command line that proves and explains: parity, why."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from msgspec import to_builtins

from tapeline.replay.bounds import parse_offsets
from tapeline.replay.compare.events import DEFAULT_LIMIT, ignorable_fields
from tapeline.replay.compare.recorded import Coverage
from tapeline.replay.compare.recorded_files import RecordedFolder, recorded
from tapeline.replay.compare.runs import (
    ParityOptions,
    ParityReport,
    parity,
    report_data,
)
from tapeline.replay.explain.hosted import (
    HostedAnswer,
    is_of_signal,
    recorded_events,
    replayed_events,
    why_hosted,
)
from tapeline.replay.explain.why import Answer, answer_data, why
from tapeline.replay.hosting import StrategyChoice
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.opening import Origin, check_configuration, source_of
from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.errors import DIFFERENT
from tapeline.schemas.instants import OUTPUTS_PER_RECORD
from tapeline.schemas.registry import EVENTS
from tapeline.streams.cli.arguments import OrderedCommand, sources_in_order
from tapeline.streams.cli.options import (
    BootstrapOption,
    ConfigOption,
    JsonOption,
    TimeUnitOption,
    TzOption,
    UntilOption,
    until_of,
)
from tapeline.streams.cli.show.parity import print_parity
from tapeline.streams.cli.show.why import print_answer
from tapeline.streams.cli.show.why_hosted import print_hosted_answer
from tapeline.streams.cli.strategy_options import (
    SettingOption,
    StrategyOption,
    UnsafeOption,
    choice_of,
)
from tapeline.streams.errors import InputError
from tapeline.streams.kafka.connection import brokers_of, quiet_client
from tapeline.streams.outputs.terminal import print_document, print_line

COMPARED = (*EVENTS.folded, *EVENTS.hosted)
SideArgument = Annotated[
    str, typer.Argument(help="Run directory or store; topics, topics:PREFIX; run:ID.")
]


def parity_command(
    a: SideArgument,
    b: SideArgument,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type; repeatable.")
    ] = None,
    symbols: Annotated[
        list[str] | None,
        typer.Option("--symbol", help="Only of this symbol, or group of pairs; repeatable."),
    ] = None,
    ignored: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="FIELD", help="This field may differ; repeatable."),
    ] = None,
    from_seq: Annotated[
        list[str] | None,
        typer.Option(metavar="[PARTITION:]SEQ", help="Only events of this seq or later."),
    ] = None,
    to_seq: Annotated[
        list[str] | None,
        typer.Option(metavar="[PARTITION:]SEQ", help="Only events before this seq."),
    ] = None,
    view: Annotated[
        bool, typer.Option("--view", help="Compare what the events leave, folded by id.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="Most differences shown.")] = DEFAULT_LIMIT,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    json: JsonOption = False,
) -> None:
    """Compare two runs event by event; exit code 1 when they differ, 2 if nothing is compared."""
    for kind in types or ():
        if kind not in COMPARED:
            raise InputError(f"--type {kind}: is none of {', '.join(COMPARED)}")
    for name in ignored or ():
        if name not in ignorable_fields():
            raise InputError(f"--ignore {name}: no event has such a field")
    settings = load_config(config)
    quiet_client()
    options = ParityOptions(
        types=tuple(types) if types else None,
        symbols=frozenset(symbols) if symbols else None,
        ignored=frozenset(ignored or ()),
        stretch=Coverage(
            _records("--from-seq", from_seq), _records("--to-seq", to_seq, rounded_up=True)
        ),
        view=view,
        limit=limit,
    )
    report = asyncio.run(_parity(a, b, settings, brokers_of(settings.kafka, bootstrap), options))
    if json:
        print_document(report_data(report))
    else:
        print_parity(report)
    if not report.equal:
        raise typer.Exit(DIFFERENT)


async def _parity(
    a: str, b: str, config: Config, brokers: Brokers, options: ParityOptions
) -> ParityReport:
    async with recorded(a, config, brokers) as first, recorded(b, config, brokers) as other:
        return await parity(first, other, config, options)


def _records(option: str, texts: list[str] | None, rounded_up: bool = False) -> dict[int, int]:
    """Offsets of records by partition, of options that name a ``seq``."""
    if not texts:
        return {}
    bound = parse_offsets(option, texts).offsets or {}
    rounding = OUTPUTS_PER_RECORD - 1 if rounded_up else 0
    return {partition: (seq + rounding) // OUTPUTS_PER_RECORD for partition, seq in bound.items()}


def why_command(
    context: typer.Context,
    event_id: Annotated[
        str, typer.Argument(help="Such as 'touch|ES|Major|Asia 2025-12-08|first_break'.")
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Logs or tables of bars, or one run directory; none: the topic."),
    ] = None,
    bars: Annotated[
        list[str] | None,
        typer.Option("--bars", metavar="SYMBOL=FILE", help="A table of one symbol's bars."),
    ] = None,
    store: Annotated[Path | None, typer.Option("--store", help="The log of a store.")] = None,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    tz: TzOption = None,
    time_unit: TimeUnitOption = None,
    until: UntilOption = None,
    strategy: StrategyOption = None,
    settings: SettingOption = None,
    unsafe: UnsafeOption = False,
    json: JsonOption = False,
) -> None:
    """Show which records and bars made an event; exit code 1 when the log has no such event."""
    found = load_config(config)
    quiet_client()
    # `files` and `bars` are read from the context, where they have kept their common order; the
    # first that is no pair is the event.
    words = sources_in_order(context)
    words.remove(next(each for each in words if each.symbol is None))
    until_times = until_of(until, found)
    origin = Origin(
        files=tuple(words),
        store=store,
        brokers=brokers_of(found.kafka, bootstrap),
        zone=tz,
        time_unit=time_unit,
        until_ms=until_times.every_ms,
        until_by_symbol=until_times.by_symbol,
    )
    choice = choice_of(context.params)
    if is_of_signal(event_id):
        _why_of_signal(found, origin, event_id, choice, json)
        return
    if choice is not None:
        raise InputError(f"--strategy: no strategy leads to {event_id}; leave it out")
    answer = asyncio.run(_why(found, origin, event_id))
    if json:
        data = {"found": False, "id": event_id} if answer is None else answer_data(answer)
        print_document(data)
    elif answer is None:
        print_line(f"{event_id}: the log does not lead to such an event", err=True)
    else:
        print_answer(answer)
    if answer is None:
        raise typer.Exit(DIFFERENT)


async def _why(config: Config, origin: Origin, event_id: str) -> Answer | None:
    if len(origin.files) == 1 and Path(origin.files[0].path).is_dir():
        assert origin.brokers is not None
        run = RecordedFolder(Path(origin.files[0].path), config, origin.brokers)
        async with run:
            check_configuration(config, run.manifest, run.name)
            settings = config.without_max_ahead() if run.corrected else config
            return await why(run.log, settings, event_id)
    return await why(lambda: source_of(config, origin).source, config, event_id)


def _why_of_signal(
    config: Config, origin: Origin, event_id: str, choice: StrategyChoice | None, as_json: bool
) -> None:
    """Print where an event of a strategy comes from; exit code 1 when there is no such event."""
    answer = asyncio.run(_why_hosted(config, origin, event_id, choice))
    if as_json:
        nothing = {"found": False, "id": event_id}
        print_document(nothing if answer is None else {"found": True, **to_builtins(answer)})
    elif answer is None:
        print_line(f"{event_id}: no strategy published such an event", err=True)
    else:
        print_hosted_answer(answer)
    if answer is None:
        raise typer.Exit(DIFFERENT)


async def _why_hosted(
    config: Config, origin: Origin, event_id: str, choice: StrategyChoice | None
) -> HostedAnswer | None:
    folder = origin.files[0].path if len(origin.files) == 1 else origin.store
    if choice is None and folder is not None and Path(folder).is_dir():
        assert origin.brokers is not None
        async with recorded(str(folder), config, origin.brokers) as run:
            return await why_hosted(recorded_events(run), event_id)
    if choice is None:
        raise InputError(
            f"{event_id}: name the folder of a run or a store in which strategies ran, or the"
            " strategies to run by --strategy"
        )
    options = ReplayOptions(strategies=choice)
    return await why_hosted(
        replayed_events(lambda: Replay(config, source_of(config, origin).source, options)), event_id
    )


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the command line."""
    app.command("parity")(parity_command)
    app.command("why", cls=OrderedCommand)(why_command)
