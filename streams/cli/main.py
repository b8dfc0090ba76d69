"""The command line: parse, call, print. Exit codes are those of docs/rules.md 16.1."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, cast

import msgspec
import typer

import tapeline
from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.rendering import to_toml
from tapeline.schemas.documents.json_schema import write_schemas
from tapeline.schemas.errors import (
    BROKEN,
    INTERRUPTED,
    IO_FAILURE,
    UNUSABLE,
    InternalError,
    TapelineError,
)
from tapeline.streams.cli.arguments import OrderedCommand, sources_in_order
from tapeline.streams.cli.compare import add_to as add_checks
from tapeline.streams.cli.drill import add_to as add_drill
from tapeline.streams.cli.feeds import add_to as add_feeds
from tapeline.streams.cli.host import add_to as add_host
from tapeline.streams.cli.ingest import add_to as add_ingest
from tapeline.streams.cli.options import (
    DEFAULT_REJECTS,
    LOG_JSON,
    AcceptOption,
    BarsOption,
    BootstrapOption,
    ConfigOption,
    DynamicOption,
    FilesArgument,
    HealthHostOption,
    JsonOption,
    LogJsonOption,
    MaxRejectsOption,
    SessionOption,
    TimeUnitOption,
    TzOption,
    UntilOption,
    check_can_be_folder,
    instant_of,
    reject_limit_of,
    until_of,
)
from tapeline.streams.cli.replay import add_to as add_replay
from tapeline.streams.cli.report import add_to as add_report
from tapeline.streams.cli.runs import add_to as add_runs
from tapeline.streams.cli.samples import add_to as add_samples
from tapeline.streams.cli.show.correction import explanation
from tapeline.streams.cli.show.progress import ProgressBar
from tapeline.streams.cli.show.run import print_summary, summary_data
from tapeline.streams.cli.status import add_to as add_status
from tapeline.streams.cli.store import add_to as add_store
from tapeline.streams.cli.store import rebuild_and_report, run_and_report
from tapeline.streams.cli.topics import add_to as add_kafka
from tapeline.streams.cli.verify import add_to as add_verify
from tapeline.streams.core import engine
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.embedded import run_files
from tapeline.streams.errors import InputError
from tapeline.streams.outputs.escaping import writable
from tapeline.streams.outputs.terminal import (
    guard_standard_error,
    plain_console,
    print_document,
    print_line,
    print_text,
    print_traceback,
)
from tapeline.streams.pipeline.refusals import refuse_beyond_limit
from tapeline.streams.pipeline.summary import RunResult

BUG = "this is a bug of tapeline; what was written before it stays as it is"
COMMAND_LINE_ERROR = cast(type[typer.BadParameter], typer.BadParameter.__mro__[2])
"""Base of all that the parser refuses; its module differs between versions of typer."""

app = typer.Typer(
    name="tapeline",
    help="Market bars in; derived bars, quality, session ranges, touches and swings out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")
add_samples(app)
add_store(app)
add_kafka(app)
add_drill(app)
add_replay(app)
add_report(app)
add_runs(app)
add_checks(app)
add_verify(app)
add_ingest(app)
add_host(app)
add_feeds(app)
add_status(app)


def _version(asked: bool) -> None:
    if asked:
        kind = "pure Python" if str(engine.__file__).endswith(".py") else "compiled core"
        print_line(f"tapeline {tapeline.__version__} ({kind})")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Version and build."),
    ] = False,
) -> None:
    """Market bars in; derived bars, quality, session ranges, touches and swings out."""


@app.command(cls=OrderedCommand)
def run(
    context: typer.Context,
    files: FilesArgument = None,
    bars: BarsOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; replaced if it is one.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder of a durable store; it takes what is new.")
    ] = None,
    config: ConfigOption = None,
    until: UntilOption = None,
    tz: TzOption = None,
    time_unit: TimeUnitOption = None,
    as_corrected: Annotated[
        bool,
        typer.Option("--as-corrected", help="Last versions of a log, sorted."),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what each correction changed.")
    ] = False,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="With --store: ignore earlier rows (ISO, offset or Z)."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="With --store: cancel stored bars that a file lacks."),
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="With --store: make it again from its log, without files."),
    ] = False,
    accept: AcceptOption = None,
    max_rejects: MaxRejectsOption = DEFAULT_REJECTS,
    json: JsonOption = False,
) -> None:
    """Run the engine over files, without a broker."""
    if rebuild:
        others = (files, bars, out, until, tz, from_, as_corrected, explain, replace, accept)
        rebuild_and_report(config, store, any(others), json)
        return
    limit = reject_limit_of(max_rejects)
    of_store = from_ is not None or replace or bool(accept)
    settings = _destination(out, store, as_corrected, of_store, config)
    until_times = until_of(until, settings)
    from_ms = None if from_ is None else instant_of("--from", from_)
    # `files` and `bars` are read from the context, where they have kept their common order.
    sources = sources_in_order(context)
    explained = partial(_explain, json) if explain else None
    if store is not None:
        from tapeline.streams.store.run import StoreOptions

        options = StoreOptions(
            until_times.every_ms,
            tz,
            time_unit,
            from_ms,
            replace,
            limit,
            until_by_symbol=until_times.by_symbol,
            accept=tuple(accept or ()),
        )
        run_and_report(settings, sources, store, options, explained, json)
        return
    assert out is not None
    with ProgressBar(sources) as progress:
        result = run_files(
            settings,
            sources,
            out,
            until_times.every_ms,
            tz,
            progress.reporter,
            as_corrected,
            explained,
            limit,
            time_unit,
            until_by_symbol=until_times.by_symbol,
        )
    _report(result, json)
    refuse_beyond_limit(result.report)


def _destination(
    out: Path | None, store: Path | None, as_corrected: bool, of_store: bool, config: Path | None
) -> Config:
    """The configuration of a run whose options go together."""
    if out is None and store is None:
        raise InputError("--out DIR or --store DIR is missing: where do the results go?")
    if out is not None and store is not None:
        raise InputError("--out and --store: name one of them")
    if store is not None and as_corrected:
        raise InputError("--as-corrected: a store has no other order; leave it out")
    if out is not None and of_store:
        raise InputError("--from, --replace and --accept belong to --store DIR")
    return load_config(config)


def _explain(beside_json: bool, offset: int, correction: Correction) -> None:
    for line in explanation(offset, correction):
        print_line(line, err=beside_json)


def _report(result: RunResult, as_json: bool) -> None:
    if as_json:
        print_document(summary_data(result))
    else:
        print_summary(plain_console(), result)


@app.command()
def worker(
    instance: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=63,
            help="Ordinal of this worker; the lowest that is free in the data folder.",
        ),
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Folder of local state.")] = Path("tapeline-data"),
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    http_host: HealthHostOption = "127.0.0.1",
    http_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Its port; 9464 + instance.")
    ] = None,
    dynamic: DynamicOption = False,
    ready_needs_data: Annotated[
        bool,
        typer.Option(
            "--ready-needs-data", help="/readyz is 503 while a symbol is stale in session."
        ),
    ] = False,
    log_json: LogJsonOption = False,
    log_check_s: Annotated[float, typer.Option(min=0.1, hidden=True)] = 25.0,
    session_s: SessionOption = None,
) -> None:
    """Run a worker on a Kafka cluster until it is stopped."""
    from tapeline.streams.worker.exits import leaving_on_signals

    # Before the rest is imported, which takes a second.
    with leaving_on_signals():
        # Only a worker needs Faust: the other commands start faster without it.
        from tapeline.streams.worker.runner import SESSION_S, RunOptions, run_worker, with_bootstrap

        settings = with_bootstrap(load_config(config), bootstrap)
        options = RunOptions(
            instance=instance,
            data_dir=data_dir,
            http_host=http_host,
            http_port=http_port,
            log_json=log_json,
            dynamic=dynamic,
            ready_needs_data=ready_needs_data,
            log_check_s=log_check_s,
            session_s=SESSION_S if session_s is None else session_s,
        )
        run_worker(settings, options)


@config_app.command("check")
def config_check(config: ConfigOption = None) -> None:
    """Validate the configuration."""
    settings = load_config(config)
    counts = f"{len(settings.instruments)} instruments, {len(settings.groups)} groups"
    feeds = f", {len(settings.feeds)} feeds" if settings.feeds else ""
    print_line(f"The configuration is valid: {counts}{feeds}.")


@config_app.command("show")
def config_show(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the effective configuration."""
    settings = load_config(config)
    if json:
        print_text(msgspec.json.format(msgspec.json.encode(settings)).decode())
    else:
        print_text(to_toml(settings))


@app.command()
def schemas(
    folder: Annotated[Path, typer.Argument(help="Where the documents go.")] = Path("schemas"),
) -> None:
    """Write the JSON Schemas and the AsyncAPI document."""
    check_can_be_folder(folder)
    for path in write_schemas(folder):
        print_line(path)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; every error is one plain message and an exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    # Also of a command line that is not taken: who reads the log of a worker reads JSON.
    fail = partial(_fail, LOG_JSON in given)
    try:
        _check_utf8(given)
        code = app(args=arguments, prog_name="tapeline", standalone_mode=False)
        if code == INTERRUPTED:
            return fail("interrupted", INTERRUPTED)
        return code if isinstance(code, int) else 0
    except typer.Abort:
        return fail("interrupted", INTERRUPTED)
    except KeyboardInterrupt:
        return fail("interrupted", INTERRUPTED)
    except (BrokenPipeError, SystemExit):
        # The reader of the output has gone; of that, Rich makes an exit of its own.
        sys.stderr.close()
        return IO_FAILURE
    except InternalError:
        return fail(BUG, BROKEN, bug=True)
    except OSError as error:
        return fail(f"reading or writing failed: {error}", IO_FAILURE)
    except TapelineError as error:
        return fail(str(error), error.exit_code)
    except Exception as error:
        if isinstance(error, COMMAND_LINE_ERROR):
            return fail(f"{error.format_message()} (see tapeline --help)", UNUSABLE)
        return fail(BUG, BROKEN, bug=True)


def _check_utf8(arguments: list[str]) -> None:
    """Results, manifests and dead letters name what was given, and are UTF-8.

    Raises
    ------
    InputError
        When an argument is not.
    """
    for each in arguments:
        if writable(each) != each:
            raise InputError(f"{each}: is not UTF-8; rename the file, or write the name as UTF-8")


def _fail(as_json: bool, message: str, code: int, bug: bool = False) -> int:
    """Print why a command ends, and of a bug also where; the exit code."""
    if as_json:
        from tapeline.streams.worker.log import log_line

        log_line(message, with_error=bug)
        return code
    if bug:
        print_traceback()
    print_line(f"tapeline: {message}", err=True)
    return code


if __name__ == "__main__":
    guard_standard_error()
    sys.exit(main())
