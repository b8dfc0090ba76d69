"""The part of the command line that replays a log."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import structs

from tapeline.replay.processes.parent import MOST_PROCESSES, replay_in_processes
from tapeline.replay.results.results import Sinks, replay_into, untimed_text
from tapeline.replay.run import Replay
from tapeline.replay.sources.opening import is_corrected, read_manifest, source_of
from tapeline.replay.sources.protocol import FETCH_RECORDS
from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.errors import DIFFERENT
from tapeline.streams.cli.arguments import OrderedCommand
from tapeline.streams.cli.options import (
    JsonOption,
)
from tapeline.streams.cli.recording import (
    Watch,
    destination,
    parse_replay_speed,
    print_lines,
    record,
)
from tapeline.streams.cli.replay_options import (
    check_folder,
    inputs_in,
    names_in,
    of_a_stretch,
    origin_of,
    stretch_of,
)
from tapeline.streams.cli.show.run import print_summary, summary_data
from tapeline.streams.cli.strategy_options import (
    CheckMemoryOption,
    SettingOption,
    StrategyOption,
    UnsafeOption,
    choice_of,
    watched,
)
from tapeline.streams.errors import InputError
from tapeline.streams.kafka.connection import brokers_of, quiet_client
from tapeline.streams.outputs.run_folder import MANIFEST, check_outside
from tapeline.streams.outputs.terminal import plain_console, print_document, print_line
from tapeline.streams.pipeline.manifest import OUTPUT_SHA256
from tapeline.streams.pipeline.summary import RunResult

WITH_MANIFEST = ("manifest", "out", "config", "bootstrap", "json")
"""Parameters that may be given with a manifest; all others it decides itself."""
PARTS = ("from_", "to", "from_offset", "to_offset", "symbols", "groups")

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


@of_a_stretch
def replay(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; without it events are printed.")
    ] = None,
    speed: SpeedOption = "max",
    skip_idle: SkipIdleOption = None,
    fetch_records: FetchOption = FETCH_RECORDS,
    processes: ProcessesOption = 1,
    to_topics: ToTopics = False,
    run_id: RunIdOption = None,
    then_follow: ThenFollow = False,
    strategy: StrategyOption = None,
    settings: SettingOption = None,
    unsafe: UnsafeOption = False,
    check_memory: CheckMemoryOption = False,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="Repeat this run, and compare.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run the core over a stretch of a log, as live saw it or as we know it now."""
    asked = context.params
    bootstrap = asked["bootstrap"]
    config = load_config(asked["config"])
    quiet_client()
    if manifest is not None:
        _check_alone(context)
        _repeat(config, manifest, out, bootstrap, json)
        return
    origin = origin_of(context, config)
    watch = Watch(parse_replay_speed(speed), skip_idle)
    options = structs.replace(stretch_of(config, asked), strategies=choice_of(asked))
    given = {
        "from": asked["from_"],
        "to": asked["to"],
        # Typer gives an empty list where there is none.
        "from_offset": asked["from_offset"] or None,
        "to_offset": asked["to_offset"] or None,
        "symbols": names_in(asked["symbols"]),
        "groups": names_in(asked["groups"]),
        "warmup_sessions": asked["warmup_sessions"],
        "no_snapshots": asked["no_snapshots"],
        "speed": speed,
        "skip_idle": skip_idle,
        "then_follow": then_follow,
    }
    where = destination(out, to_topics, run_id, brokers_of(config.kafka, bootstrap))
    if processes > 1 and (out is None or to_topics or then_follow or watch.paced):
        raise InputError(
            "--processes: needs --out, goes at --speed max without --skip-idle, and neither"
            " --to-topics nor --then-follow"
        )
    if processes > 1 and options.strategies is not None:
        raise InputError("--processes: strategies of one account need one process; leave it out")
    if then_follow and options.strategies is not None:
        raise InputError("--then-follow: tapeline host runs strategies live; leave --strategy out")
    if out is not None:
        check_folder(out, origin)
    if out is None and not to_topics:
        asyncio.run(print_lines(config, origin, options, watch))
        return
    if processes > 1 and out is not None:
        recorded = source_of(config, origin).manifest
        result = replay_in_processes(config, origin, options, out, given, processes)
    else:
        result, recorded = asyncio.run(record(config, origin, options, where, given, watch))
    _report(result, json)
    if recorded is not None:
        stopped = watch.control is not None and watch.control.stopped
        _compare_with_run(recorded, result, stopped or _is_part(context.params), json)


def _check_alone(context: typer.Context) -> None:
    """Refuse what a repetition would not heed: its manifest holds what is read, and how."""
    for param in context.command.params:
        source = None if param.name is None else context.get_parameter_source(param.name)
        if source is None or source.name == "DEFAULT" or param.name in WITH_MANIFEST:
            continue
        option = param.param_type_name == "option"
        named = "/".join((*param.opts, *param.secondary_opts)) if option else "FILE"
        raise InputError(
            f"{named}: does not go with --manifest, which repeats a run as it was; leave it out"
        )


def _report(result: RunResult, as_json: bool) -> None:
    if as_json:
        found = result.manifest
        data = {
            **summary_data(result),
            "source": found["source"],
            "run_id": found.get("run_id"),
            "notes": _notes(found),
            "untimed": found["untimed"],
        }
        print_document(data)
    else:
        console = plain_console()
        print_summary(console, result)
        run_id = result.manifest.get("run_id")
        if run_id is not None:
            plain_console().print(
                f"Results: the topics of run {run_id} (tapeline runs show {run_id})"
            )
        for name, state in result.manifest["start_state"].items():
            console.print(f"{name}: began with {_state_text(state)}.")
        for note in _notes(result.manifest):
            console.print(f"{note}.")


def _notes(manifest: Mapping[str, Any]) -> list[str]:
    untimed = manifest["untimed"]
    return [*manifest["notes"], *([untimed_text(untimed)] if untimed else [])]


def _state_text(state: dict[str, Any]) -> str:
    if state["kind"] == "snapshot":
        return f"the snapshot of session {state['session']}, offset {state['offset']}"
    return f"the {state['kind']}, offset {state['offset']}"


def _is_part(given: Mapping[str, Any]) -> bool:
    """Whether options leave a part of a run out."""
    return any(given[name] for name in PARTS)


def _compare_with_run(
    recorded: dict[str, Any], result: RunResult, part: bool, as_json: bool
) -> None:
    """Print whether a run directory's inputs led to its outputs once more; exit code 1 if not."""
    corrected = is_corrected(result.manifest)
    if corrected != is_corrected(recorded):
        modes = ("as recorded", "as corrected")
        text = f"The run directory is {modes[not corrected]}, the replay {modes[corrected]}"
        print_line(f"{text}: not compared.", err=as_json)
        return
    if part:
        print_line(
            "A part of the run was replayed: not compared; tapeline parity compares its folder with"
            " the same part of the run directory.",
            err=as_json,
        )
        return
    before, now = recorded[OUTPUT_SHA256], result.manifest[OUTPUT_SHA256]
    different = [name for name in before if before[name] != now.get(name)]
    if not different:
        print_line("The replay is equal to the run directory, byte for byte.", err=as_json)
        return
    print_line(f"The replay differs from the run directory in {', '.join(different)}.", err=as_json)
    raise typer.Exit(DIFFERENT)


def _repeat(
    config: Config, path: Path, out: Path | None, bootstrap: str | None, as_json: bool
) -> None:
    """Repeat the run of a manifest and print whether it came out the same; exit code 1 if not."""
    from tapeline.replay.results.repetition import (
        differences,
        names_input,
        order_note,
        schedule_changes,
        version_notes,
    )

    before = read_manifest(path / MANIFEST if path.is_dir() else path)
    if "source" not in before:
        raise InputError(f"{path}: is the run of files; replay its folder: tapeline replay DIR")
    if out is not None:
        check_outside(out, [str(path), *inputs_in(before)])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "again" if out is None else out
        address = brokers_of(config.kafka, bootstrap)
        result = asyncio.run(_again(config, before, folder, address, str(path)))
    found = [*schedule_changes(before, config), *differences(before, result.manifest)]
    notes = version_notes(before, result.manifest)
    if (order := order_note(before)) is not None:
        notes.append(order)
    notes += [f"{note}." for note in result.manifest["notes"]]
    if not as_json:
        for note in notes:
            print_line(note)
    if as_json:
        document = {"equal": not found, "differences": found, "notes": notes}
        print_document(document, compact=True)
    elif found:
        for line in found:
            print_line(line)
    elif names_input(before):
        print_line("Equal: outputs, input, calendars and time zones are those of the manifest.")
    else:
        print_line(
            "Equal: outputs, calendars and time zones are those of the manifest; of an earlier"
            " version, it does not record what the log was."
        )
    if found:
        raise typer.Exit(DIFFERENT)


async def _again(
    config: Config, before: dict[str, Any], folder: Path, brokers: Brokers, name: str
) -> RunResult:
    from tapeline.replay.results.repetition import (
        BY_PARTITION,
        options_again,
        schedule_changes,
        source_again,
    )

    source = source_again(before, config, brokers, name)
    options = options_again(before, config)
    if schedule_changes(before, config):
        # Snapshots of other days are refused; from the log's beginning it shows what they change.
        options = structs.replace(options, snapshots=False)
    async with Replay(config, source, options) as run:
        by_partition = BY_PARTITION in before
        with watched(run):
            return await replay_into(
                run, Sinks(folder), before["options"], by_partition=by_partition
            )


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the command line."""
    app.command(cls=OrderedCommand)(replay)
