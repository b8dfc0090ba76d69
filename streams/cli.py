"""The command line: parse, call, print. Exit codes are those of contracts section 4."""

from __future__ import annotations

import sys
import traceback
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import orjson
import typer
from rich.console import Console

import streams
from schemas.config import ConfigError
from schemas.config_loading import load_config
from schemas.config_rendering import to_toml
from schemas.documents import write_schemas
from streams.arguments import OrderedCommand, sources_in_order
from streams.calendars import UnknownZoneError
from streams.cli_kafka import add_to as add_kafka
from streams.core import engine
from streams.core.corrections import Correction
from streams.embedded import RunResult, run_files
from streams.explanation import explanation
from streams.feeds.items import InputError
from streams.feeds.times import EPOCH, MILLISECOND
from streams.kafka.errors import BrokerError, TopicsError
from streams.progress import ProgressBar
from streams.run_directory import ForeignFolderError
from streams.samples import SEED, SESSIONS, write_samples
from streams.tables import print_summary, summary_data

USAGE = 2
BUG = 70
IO_FAILURE = 74
INTERRUPTED = 130
COMMAND_LINE_ERROR = typer.BadParameter.__mro__[2]
"""Base of all that the parser refuses; typer keeps it in different places in different versions."""

app = typer.Typer(
    name="tapeline",
    help="Market bars in; derived bars, quality, session ranges, touches and swings out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")
add_kafka(app)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file; ./tapeline.toml if it is there."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of tables.")]


def _version(asked: bool) -> None:
    if asked:
        kind = "pure Python" if str(engine.__file__).endswith(".py") else "compiled core"
        typer.echo(f"tapeline {streams.__version__} ({kind})")
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
    files: Annotated[
        list[str] | None,
        typer.Argument(help="CSV, CSV.gz, Parquet or logs (.jsonl, .jsonl.gz)."),
    ] = None,
    bars: Annotated[
        list[str] | None,
        typer.Option(
            "--bars",
            metavar="SYMBOL=FILE",
            help="A table of one symbol's bars; its place among the files counts.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; replaced if it is one.")
    ] = None,
    config: ConfigOption = None,
    until: Annotated[
        str | None, typer.Option(help="Clock for every symbol at this time (ISO, offset or Z).")
    ] = None,
    tz: Annotated[str | None, typer.Option(help="Zone of times without offset.")] = None,
    as_corrected: Annotated[
        bool,
        typer.Option("--as-corrected", help="Last versions of a log, sorted."),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what each correction changed.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run the engine over files, without a broker."""
    if out is None:
        raise InputError("--out DIR is missing: where shall the results go?")
    settings = load_config(config)
    until_ms = None if until is None else _instant(until)
    # `files` and `bars` are read from the context, where they have kept their common order.
    sources = sources_in_order(context)
    with ProgressBar(sources) as progress:
        result = run_files(
            settings,
            sources,
            out,
            until_ms,
            tz,
            progress.reporter,
            as_corrected,
            partial(_explain, json) if explain else None,
        )
    _report(result, json)


def _explain(beside_json: bool, offset: int, correction: Correction) -> None:
    for line in explanation(offset, correction):
        typer.echo(line, err=beside_json)


def _report(result: RunResult, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(summary_data(result), option=orjson.OPT_INDENT_2).decode())
    else:
        # What files hold is shown as it is, also what looks like markup.
        print_summary(Console(markup=False, emoji=False), result)


def _instant(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--until {text}: is no ISO time") from error
    if moment.tzinfo is None:
        raise InputError(f"--until {text}: has no offset; append Z or +hh:mm")
    return (moment - EPOCH) // MILLISECOND


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Where the books go.")],
    sessions: Annotated[int, typer.Option(min=1, max=1000, help="Trading sessions.")] = SESSIONS,
    seed: Annotated[int, typer.Option(help="Another seed, another walk.")] = SEED,
    json: JsonOption = False,
) -> None:
    """Write deterministic sample books: ES, NQ and an equity, and some with faults."""
    files = write_samples(folder, sessions, seed)
    if json:
        typer.echo(orjson.dumps([str(file) for file in files]).decode())
        return
    for file in files:
        typer.echo(file)


@config_app.command("check")
def config_check(config: ConfigOption = None) -> None:
    """Validate the configuration."""
    settings = load_config(config)
    count = len(settings.instruments)
    typer.echo(f"The configuration is valid: {count} instruments, {len(settings.groups)} groups.")


@config_app.command("show")
def config_show(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the effective configuration."""
    settings = load_config(config)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(settings)).decode())
    else:
        typer.echo(to_toml(settings), nl=False)


@app.command()
def schemas(
    folder: Annotated[Path, typer.Argument(help="Where the documents go.")] = Path("schemas"),
) -> None:
    """Write the JSON Schemas and the AsyncAPI document."""
    for path in write_schemas(folder):
        typer.echo(path)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; every error is one plain message and an exit code."""
    errors = (InputError, ConfigError, ForeignFolderError, TopicsError, UnknownZoneError)
    try:
        code = app(args=arguments, prog_name="tapeline", standalone_mode=False)
        if code == INTERRUPTED:
            return _fail("interrupted", INTERRUPTED)
        return code if isinstance(code, int) else 0
    except typer.Abort:
        return _fail("interrupted", INTERRUPTED)
    except errors as error:
        return _fail(str(error), USAGE)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except (BrokenPipeError, SystemExit):
        # Whoever read the output has gone; of that, Rich makes an exit of its own.
        sys.stderr.close()
        return IO_FAILURE
    except BrokerError as error:
        return _fail(str(error), IO_FAILURE)
    except OSError as error:
        return _fail(f"reading or writing failed: {error}", IO_FAILURE)
    except Exception as error:
        if isinstance(error, COMMAND_LINE_ERROR):
            return _fail(f"{error} (see tapeline --help)", USAGE)
        traceback.print_exc()
        return _fail("this is a bug of tapeline; nothing was written", BUG)


def _fail(message: str, code: int) -> int:
    typer.echo(f"tapeline: {message}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
