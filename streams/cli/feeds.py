"""The part of the command line for live feeds: which there are, and whether a mapping fits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tapeline.schemas.config.feed_loading import preset_names
from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import CONFIG_FILE, Config
from tapeline.schemas.config.values import with_nearest
from tapeline.schemas.errors import DIFFERENT
from tapeline.streams.cli.options import ConfigOption, JsonOption
from tapeline.streams.cli.show.feeds import check_data, check_lines, feed_data, feeds_table
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.check import check_tape
from tapeline.streams.feeds.live.mapping.compiled import compile_mapping
from tapeline.streams.feeds.live.secrets import available_secrets, secrets_set
from tapeline.streams.feeds.live.tape import tape_messages
from tapeline.streams.outputs.terminal import plain_console, print_document, print_line

feed_app = typer.Typer(help="Live feeds: list, check.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the command line."""
    app.add_typer(feed_app, name="feed")


@feed_app.command("list")
def feed_list(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show the feeds of the configuration, and whether their secrets are set."""
    settings = load_config(config)
    found = [(feed, secrets_set(feed, os.environ)) for feed in settings.feeds.values()]
    if json:
        print_document([feed_data(feed, secrets) for feed, secrets in found])
        return
    if found:
        plain_console(wide=True).print(feeds_table(found))
    else:
        print_line(f"No feeds in {config or CONFIG_FILE}.")
    print_line(f"Presets: {', '.join(preset_names())}.")


@feed_app.command("check")
def feed_check(
    feed: Annotated[
        str, typer.Argument(metavar="FILE|FEED", help="A configuration with one feed, or its name.")
    ],
    sample: Annotated[
        str,
        typer.Option(
            "--sample", metavar="FILE", help="Recorded messages, one a line (.jsonl, .gz)."
        ),
    ],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Show what each recorded message becomes, or why it becomes nothing."""
    settings, found = feed_of(feed, config)
    if found.mapping is None:
        raise InputError(f"feed {found.name}: kind {found.kind} is read by its adapter")
    mapping = compile_mapping(found, settings, available_secrets(found, os.environ))
    messages = tape_messages(sample, settings.limits.input_mib)
    report = check_tape(found, settings, mapping, messages)
    if json:
        print_document(check_data(report))
    else:
        for line in check_lines(report):
            print_line(line)
    return DIFFERENT if report.findings else 0


def feed_of(text: str, config: Path | None) -> tuple[Config, FeedConfig]:
    """The feed of a name, or the only one of a file.

    Raises
    ------
    InputError
        When there is no such feed, or the file has several.
    """
    if config is None and text.endswith(".toml"):
        settings = load_config(text)
        if len(settings.feeds) != 1:
            names = ", ".join(settings.feeds) or "none"
            raise InputError(f"{text}: has the feeds {names}; name one, with --config {text}")
        return settings, next(iter(settings.feeds.values()))
    settings = load_config(config)
    found = settings.feeds.get(text)
    if found is None:
        shown = with_nearest(text, settings.feeds) or "none"
        raise InputError(f"feed {text}: {config or CONFIG_FILE} has the feeds: {shown}")
    return settings, found
