"""The part of the command line for runs whose results lie in topics: list, show, delete."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.instants import DATE_AND_TIME, instant_text
from tapeline.streams.cli.options import BootstrapOption, ConfigOption, JsonOption
from tapeline.streams.errors import InputError
from tapeline.streams.kafka.connection import brokers_of, quiet_client
from tapeline.streams.outputs.terminal import (
    PlainTable,
    confirmed,
    plain_console,
    print_document,
    print_line,
)

if TYPE_CHECKING:
    from tapeline.replay.results.catalogue import Run

runs_app = typer.Typer(
    help="Runs of replays into topics of their own: list, show, delete.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the command line."""
    app.add_typer(runs_app, name="runs")


@runs_app.command("list")
def runs_list(
    config: ConfigOption = None, bootstrap: BootstrapOption = None, json: JsonOption = False
) -> None:
    """Show all runs, also those that were interrupted."""
    from tapeline.replay.results.catalogue import find_runs

    prefix, address = _cluster(config, bootstrap)
    found = asyncio.run(find_runs(prefix, address))
    if json:
        print_document([_plain(run) for run in found])
    elif found:
        plain_console(wide=True).print(_runs_table(found))
    else:
        print_line(f"No runs of prefix {prefix} at {address}.")


@runs_app.command("show")
def runs_show(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="As `runs list` shows it.")],
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a run was, and its topics; with --json the manifest."""
    from tapeline.replay.results.catalogue import find_run

    prefix, address = _cluster(config, bootstrap)
    run = asyncio.run(find_run(run_id, prefix, address))
    if json:
        whole = {**_plain(run), "topics": run.topics, "manifest": run.manifest}
        print_document(whole, sort_keys=True)
        return
    console = plain_console(wide=True)
    for name, text in _described(run).items():
        console.print(f"{name:<12}{text}", soft_wrap=True, highlight=False)
    console.print(_topics_table(run, prefix))


@runs_app.command("delete")
def runs_delete(
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="ID...")] = None,
    older_than_days: Annotated[
        float | None,
        typer.Option("--older-than", metavar="DAYS", min=0, help="Complete runs of that age."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    bootstrap: BootstrapOption = None,
    json: JsonOption = False,
) -> None:
    """Delete runs with all their topics; never the topics of the worker."""
    from tapeline.replay.results.catalogue import delete_runs, find_runs, older_than

    prefix, address = _cluster(config, bootstrap)
    wanted = list(dict.fromkeys(run_ids or []))
    if (older_than_days is None) == (not wanted):
        raise InputError("runs delete: name runs, or an age by --older-than DAYS")
    if older_than_days is not None:
        wanted = older_than(asyncio.run(find_runs(prefix, address)), older_than_days)
        if wanted and not yes and not _confirmed(wanted):
            print_line("nothing was deleted")
            return
    deleted = asyncio.run(delete_runs(wanted, prefix, address))
    if json:
        print_document({"runs": wanted, "topics": deleted}, compact=True)
        return
    for run_id in wanted:
        print_line(f"deleted run {run_id}")
    print_line(f"{len(wanted)} runs, {len(deleted)} topics deleted")


def _confirmed(run_ids: list[str]) -> bool:
    if not sys.stdin.isatty():
        raise InputError("runs delete: not a terminal: confirm with --yes")
    return confirmed(f"Delete {', '.join(run_ids)}?")


def _cluster(config: Any, bootstrap: str | None) -> tuple[str, Brokers]:
    kafka = load_config(config).kafka
    quiet_client()
    return kafka.topic_prefix, brokers_of(kafka, bootstrap)


def _plain(run: Run) -> dict[str, Any]:
    manifest = run.manifest or {}
    return {
        "run_id": run.run_id,
        "state": run.state,
        "started_ms": run.started_ms,
        "mode": manifest.get("mode"),
        "source": manifest.get("source", {}).get("kind"),
        "from": manifest.get("options", {}).get("from"),
        "to": manifest.get("options", {}).get("to"),
        "events": sum(manifest["topics"].values()) if run.manifest else None,
    }


def _runs_table(runs: list[Run]) -> PlainTable:
    table = PlainTable(pad_edge=True)
    for name in ("run", "state", "started (UTC)", "of", "mode", "from", "to"):
        table.add_column(name, no_wrap=name in ("run", "state"))
    table.add_column("events", justify="right")
    for run in runs:
        plain = _plain(run)
        events = "" if plain["events"] is None else f"{plain['events']:,}"
        cells = (plain["source"], plain["mode"], plain["from"], plain["to"])
        table.add_row(run.run_id, run.state, _when(run), *(each or "" for each in cells), events)
    return table


def _described(run: Run) -> dict[str, str]:
    """What a run was, a line each."""
    lines = {"run": run.run_id, "state": run.state}
    manifest = run.manifest
    if manifest is None:
        lines["note"] = "it is being written, failed, or was interrupted: there is no manifest"
        return lines
    source = manifest["source"]
    lines["started"] = f"{_when(run)} UTC, took {manifest['wall']['seconds']} s"
    lines["source"] = source.get("topic") or ", ".join(
        each["path"] for each in source.get("files", [])
    )
    lines["mode"] = manifest["mode"]
    lines["offsets"] = ", ".join(
        f"{partition}: [{span['start']}, {span['stop']})"
        for partition, span in source["partitions"].items()
    )
    if manifest["seam_offset"]:
        lines["live from"] = ", ".join(
            f"{partition}: {offset}" for partition, offset in manifest["seam_offset"].items()
        )
    for name, state in manifest["start_state"].items():
        lines.setdefault("began with", "")
        lines["began with"] += f"{name}: {state['kind']} at {state['offset']}; "
    if notes := manifest.get("notes"):
        lines["notes"] = "; ".join(notes)
    lines["code"] = f"{manifest['code_version']}, configuration {manifest['config_hash'][:12]}"
    return lines


def _topics_table(run: Run, prefix: str) -> PlainTable:
    from tapeline.schemas.topics import run_prefix

    table = PlainTable(pad_edge=True)
    table.add_column("topic")
    table.add_column("events", justify="right")
    counts = {} if run.manifest is None else run.manifest["topics"]
    own = run_prefix(run.run_id, prefix)
    for name in run.topics:
        count = counts.get(f"tape.{name.removeprefix(own + '.')}")
        table.add_row(name, "" if count is None else f"{count:,}")
    return table


def _when(run: Run) -> str:
    if run.started_ms is None:
        return ""
    return instant_text(run.started_ms, DATE_AND_TIME)
