"""Options of all commands that replay a stretch of a log, and what they mean together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Signature, signature
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from tapeline.replay.bounds import Bound, parse_bound, parse_offsets
from tapeline.replay.fold import selected
from tapeline.replay.run import ReplayOptions
from tapeline.replay.sources.opening import Origin, read_manifest
from tapeline.replay.sources.protocol import FETCH_RECORDS
from tapeline.schemas.config.model import Config
from tapeline.streams.cli.arguments import sources_in_order
from tapeline.streams.cli.options import (
    BarsOption,
    BootstrapOption,
    ConfigOption,
    TimeUnitOption,
    TzOption,
    UntilOption,
    until_of,
)
from tapeline.streams.errors import InputError
from tapeline.streams.kafka.connection import brokers_of
from tapeline.streams.outputs.run_folder import MANIFEST, check_outside

ReplayFiles = Annotated[
    list[str] | None,
    typer.Argument(help="Logs or tables of bars, or one run directory; none: --store, or a topic."),
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


def _declared(
    files: ReplayFiles = None,
    bars: BarsOption = None,
    store: ReplayStore = None,
    bootstrap: BootstrapOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    from_offset: FromOffset = None,
    to_offset: ToOffset = None,
    symbols: SymbolsOption = None,
    groups: GroupsOption = None,
    as_corrected: AsCorrected = False,
    warmup_sessions: WarmupOption = None,
    no_snapshots: NoSnapshots = False,
    config: ConfigOption = None,
    tz: TzOption = None,
    time_unit: TimeUnitOption = None,
    until: UntilOption = None,
) -> None:
    """What `of_a_stretch` adds; Typer knows options by the parameters of a function."""


def of_a_stretch(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all commands that replay a stretch of a log.

    They are read from the context of the command; see `origin_of` and `stretch_of`. Its own ones
    come before them, ``--json`` after them.
    """
    own = dict(signature(command, eval_str=True).parameters)
    shared = signature(_declared, eval_str=True).parameters
    last = {"json": own.pop("json")}
    parameters = {**own, **shared, **last}

    @wraps(command)
    def with_options(**given: Any) -> None:
        command(**{name: given[name] for name in (*own, *last)})

    described = cast(Any, with_options)
    described.__signature__ = Signature(list(parameters.values()))
    described.__annotations__ = {name: each.annotation for name, each in parameters.items()}
    del described.__wrapped__
    return with_options


def origin_of(context: typer.Context, config: Config) -> Origin:
    """Where the records come from.

    Parameters
    ----------
    context
        Of a command that is `of_a_stretch`. Files and pairs have kept their common order there.
    """
    given = context.params
    inputs = tuple(sources_in_order(context))
    named = inputs or given["store"]
    until_times = until_of(given["until"], config)
    return Origin(
        files=inputs,
        store=given["store"],
        brokers=None if named else brokers_of(config.kafka, given["bootstrap"]),
        zone=given["tz"],
        time_unit=given["time_unit"],
        until_ms=until_times.every_ms,
        until_by_symbol=until_times.by_symbol,
        fetch_records=given.get("fetch_records", FETCH_RECORDS),
    )


def check_folder(out: Path, origin: Origin) -> None:
    """Refuse a folder for results that an input lies in; see `check_outside`."""
    paths = [each.path for each in origin.files]
    if len(paths) == 1 and Path(paths[0]).is_dir():
        paths += inputs_in(read_manifest(Path(paths[0]) / MANIFEST))
    check_outside(out, paths)


def inputs_in(manifest: Mapping[str, Any]) -> list[str]:
    """Paths of the files that a run was made from, or a replay."""
    files = manifest.get("inputs") or manifest.get("source", {}).get("files") or []
    return [each["path"] for each in files]


def stretch_of(config: Config, given: Mapping[str, Any]) -> ReplayOptions:
    """What of it is replayed, and how.

    Parameters
    ----------
    given
        Values of the options of a command that is `of_a_stretch`, by the names of their parameters.

    Raises
    ------
    InputError
        When options do not go together, or one cannot be read.
    """
    return ReplayOptions(
        start=bound("--from", given["from_"], "--from-offset", given["from_offset"]),
        stop=bound("--to", given["to"], "--to-offset", given["to_offset"]),
        selection=selected(config, names_in(given["symbols"]), names_in(given["groups"])),
        as_corrected=given["as_corrected"],
        snapshots=not given["no_snapshots"],
        warmup_sessions=given["warmup_sessions"],
        follow=given.get("then_follow", False),
    )


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
