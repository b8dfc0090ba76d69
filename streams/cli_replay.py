"""The part of the command line that replays a log."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from replay.bounds import Bound, parse_bound, parse_offsets
from replay.fold import selected
from replay.opening import Origin, read_manifest, source_of
from replay.processes import MOST_PROCESSES, replay_in_processes
from replay.results import Sinks, replay_into
from replay.run import Replay, ReplayOptions
from replay.sources import FETCH_RECORDS
from schemas.config import Config
from schemas.config_loading import load_config
from streams.arguments import OrderedCommand, sources_in_order
from streams.cli_recording import Watch, destination, parse_replay_speed, print_lines, record
from streams.cli_store import BootstrapOption, ConfigOption, instant_of
from streams.feeds.items import InputError
from streams.kafka.connection import broker_address, silence_client
from streams.run_directory import MANIFEST, MANIFEST_MARK
from streams.summary import RunResult
from streams.tables import print_summary, summary_data

DIFFERENT = 1

FilesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Logs or tables of bars, or one run directory; none: --store, or a topic."),
]
BarsOption = Annotated[
    list[str] | None,
    typer.Option("--bars", metavar="SYMBOL=FILE", help="A table of one symbol's bars."),
]
ReplayStore = Annotated[Path | None, typer.Option("--store", help="Replay the log of a store.")]
FromOption = Annotated[
    str | None, typer.Option("--from", help="Session date (its open) or ISO time.")
]
ToOption = Annotated[str | None, typer.Option("--to", help="Session date (its close) or ISO time.")]
FromOffset = Annotated[
    list[str] | None,
    typer.Option("--from-offset", metavar="[PARTITION:]OFFSET", help="First offset to replay."),
]
ToOffset = Annotated[
    list[str] | None,
    typer.Option("--to-offset", metavar="[PARTITION:]OFFSET", help="Offset after the last one."),
]
SymbolsOption = Annotated[
    str | None, typer.Option("--symbols", help="Only these, separated by commas.")
]
GroupsOption = Annotated[
    str | None, typer.Option("--groups", help="Only these, separated by commas.")
]
AsCorrected = Annotated[
    bool,
    typer.Option(
        "--as-corrected/--as-recorded",
        help="Last versions of all bars, sorted; or the log's own order, what live saw.",
    ),
]
WarmupOption = Annotated[
    int | None,
    typer.Option("--warmup-sessions", min=0, help="Without a snapshot, begin so many earlier."),
]
NoSnapshots = Annotated[bool, typer.Option("--no-snapshots", help="Do not begin with snapshots.")]
SpeedOption = Annotated[
    str, typer.Option(metavar="N|max", help="So many times event time, 0.1 to 100000; or max.")
]
SkipIdleOption = Annotated[
    float | None,
    typer.Option(
        "--skip-idle",
        metavar="SECONDS",
        min=0,
        help="Longest wait between two records: nights and weekends last no longer.",
    ),
]
FetchOption = Annotated[
    int, typer.Option("--fetch-records", min=1, help="Most records taken at once; no result.")
]
ToTopics = Annotated[
    bool,
    typer.Option("--to-topics", help="Into topics of this run: <prefix>.run.<run id>.<entity>.v1."),
]
RunIdOption = Annotated[
    str | None, typer.Option("--run-id", help="Name of the run's topics, instead of a new one.")
]
ThenFollow = Annotated[
    bool,
    typer.Option("--then-follow", help="Go on into what arrives, until Ctrl-C or SIGTERM."),
]

ProcessesOption = Annotated[
    int,
    typer.Option(
        min=1, max=MOST_PROCESSES, help="Processes that share the groups, into one folder."
    ),
]


def replay(
    context: typer.Context,
    files: FilesArgument = None,
    bars: BarsOption = None,
    store: ReplayStore = None,
    bootstrap: BootstrapOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; without it events are printed.")
    ] = None,
    from_: FromOption = None,
    to: ToOption = None,
    from_offset: FromOffset = None,
    to_offset: ToOffset = None,
    symbols: SymbolsOption = None,
    groups: GroupsOption = None,
    as_corrected: AsCorrected = False,
    warmup_sessions: WarmupOption = None,
    no_snapshots: NoSnapshots = False,
    speed: SpeedOption = "max",
    skip_idle: SkipIdleOption = None,
    fetch_records: FetchOption = FETCH_RECORDS,
    processes: ProcessesOption = 1,
    to_topics: ToTopics = False,
    run_id: RunIdOption = None,
    then_follow: ThenFollow = False,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="Repeat this run, and compare.")
    ] = None,
    config: ConfigOption = None,
    tz: Annotated[str | None, typer.Option(help="Zone of times without offset.")] = None,
    until: Annotated[
        str | None, typer.Option(help="Clock for every symbol at this time (ISO, offset or Z).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Run the core over a stretch of a log, as live saw it or as we know it now."""
    settings = load_config(config)
    silence_client()
    if manifest is not None:
        _repeat(settings, manifest, out, bootstrap, json)
        return
    # `files` and `bars` are read from the context, where they have kept their common order.
    inputs = tuple(sources_in_order(context))
    origin = Origin(
        files=inputs,
        store=store,
        bootstrap=None if inputs or store else broker_address(settings.kafka, bootstrap),
        zone=tz,
        until_ms=None if until is None else instant_of("--until", until),
        fetch_records=fetch_records,
    )
    watch = Watch(parse_replay_speed(speed), skip_idle)
    named_symbols, named_groups = names_in(symbols), names_in(groups)
    options = ReplayOptions(
        start=bound("--from", from_, "--from-offset", from_offset),
        stop=bound("--to", to, "--to-offset", to_offset),
        selection=selected(settings, named_symbols, named_groups),
        as_corrected=as_corrected,
        snapshots=not no_snapshots,
        warmup_sessions=warmup_sessions,
        follow=then_follow,
    )
    given = {
        "from": from_,
        "to": to,
        "from_offset": from_offset,
        "to_offset": to_offset,
        "symbols": named_symbols,
        "groups": named_groups,
        "warmup_sessions": warmup_sessions,
        "no_snapshots": no_snapshots,
        "speed": speed,
        "skip_idle": skip_idle,
        "then_follow": then_follow,
    }
    where = destination(out, to_topics, run_id, broker_address(settings.kafka, bootstrap))
    if processes > 1 and (out is None or to_topics or then_follow or watch.paced):
        raise InputError(
            "--processes: needs --out, goes at --speed max without --skip-idle, and neither"
            " --to-topics nor --then-follow"
        )
    if out is None and not to_topics:
        asyncio.run(print_lines(settings, origin, options, watch))
        return
    if processes > 1 and out is not None:
        recorded = source_of(settings, origin).manifest
        result = replay_in_processes(settings, origin, options, out, given, processes)
    else:
        result, recorded = asyncio.run(record(settings, origin, options, where, given, watch))
    _report(result, json)
    if recorded is not None and not any(each is not None for each in (from_, to)):
        _compare_with_run(recorded, result, json)


def bound(option: str, text: str | None, other: str, offsets: list[str] | None) -> Bound | None:
    """Bound of two options, of which one may be given.

    Raises
    ------
    InputError
        When both are given, or one is none.
    """
    if text is not None and offsets:
        raise InputError(f"{option} and {other}: name one of them")
    if text is not None:
        return parse_bound(option, text)
    return parse_offsets(other, offsets) if offsets else None


def names_in(text: str | None) -> list[str]:
    """Names of an option that takes several, separated by commas."""
    return [] if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _report(result: RunResult, as_json: bool) -> None:
    if as_json:
        found = result.manifest
        data = {**summary_data(result), "source": found["source"], "run_id": found.get("run_id")}
        typer.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())
    else:
        print_summary(_console(), result)
        run_id = result.manifest.get("run_id")
        if run_id is not None:
            _console().print(f"Results: the topics of run {run_id} (tapeline runs show {run_id})")
        for name, state in result.manifest["start_state"].items():
            _console().print(f"{name}: began with {_state_text(state)}.")


def _state_text(state: dict[str, Any]) -> str:
    if state["kind"] == "snapshot":
        return f"the snapshot of session {state['session']}, offset {state['offset']}"
    return f"the {state['kind']}, offset {state['offset']}"


def _compare_with_run(recorded: dict[str, Any], result: RunResult, as_json: bool) -> None:
    """Say whether a run directory's inputs led to its outputs once more."""
    before, now = recorded[MANIFEST_MARK], result.manifest[MANIFEST_MARK]
    different = [name for name in before if before[name] != now[name]]
    text = (
        f"differs from the run directory in {', '.join(different)}"
        if different
        else "equal to the run directory, byte for byte"
    )
    typer.echo(f"The replay is {text}." if not different else f"The replay {text}.", err=as_json)


def _repeat(
    config: Config, path: Path, out: Path | None, bootstrap: str | None, as_json: bool
) -> None:
    """Repeat the run of a manifest and say whether it came out the same; exit code 1 if not."""
    from replay.repetition import differences

    before = read_manifest(path / MANIFEST if path.is_dir() else path)
    if "source" not in before:
        raise InputError(f"{path}: is the run of files; replay its folder: tapeline replay DIR")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "again" if out is None else out
        address = broker_address(config.kafka, bootstrap)
        result = asyncio.run(_again(config, before, folder, address))
    found = differences(before, result.manifest)
    if as_json:
        typer.echo(orjson.dumps({"equal": not found, "differences": found}).decode())
    elif found:
        for line in found:
            typer.echo(line)
    else:
        typer.echo("Equal: outputs, input, calendars and time zones are those of the manifest.")
    if found:
        raise typer.Exit(DIFFERENT)


async def _again(config: Config, before: dict[str, Any], folder: Path, bootstrap: str) -> RunResult:
    from replay.repetition import BY_PARTITION, options_again, source_again

    source = source_again(before, config, bootstrap)
    async with Replay(config, source, options_again(before, config)) as run:
        sinks = Sinks(folder)
        return await replay_into(run, sinks, before["options"], by_partition=BY_PARTITION in before)


def _console() -> Console:
    # What files hold is shown as it is, also what looks like markup.
    return Console(markup=False, emoji=False)


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the command line."""
    app.command(cls=OrderedCommand)(replay)
