"""The one way to a terminal: everything that commands print goes through here, escaped.

What comes from outside (names of files, columns, symbols, topics; texts of libraries that quote
them) is shown as `streams.outputs.escaping` shows it, and never read as markup. A guard
(``tests/house/test_printing.py``) fails on any other way out.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.status import Status
from rich.table import Table

from tapeline.streams.outputs.escaping import escaped, escaped_json, writable

PIPE_WIDTH = 160


class PlainConsole(Console):
    """A console that shows text as it is, also what looks like markup, and escapes what acts."""

    def print(self, *objects: Any, **settings: Any) -> None:
        """Print lines and tables; see `rich.console.Console.print`.

        Raises
        ------
        TypeError
            When a table is no `PlainTable`: what is in it is not escaped.
        """
        for each in objects:
            if isinstance(each, Table) and not isinstance(each, PlainTable):
                raise TypeError("only a PlainTable is printed here")
        super().print(*(escaped(x) if isinstance(x, str) else x for x in objects), **settings)


class PlainTable(Table):
    """A table whose title, heads and cells are escaped."""

    def __init__(self, title: str | None = None, pad_edge: bool = False) -> None:
        shown = None if title is None else escaped(title)
        super().__init__(title=shown, title_justify="left", box=SIMPLE_HEAD, pad_edge=pad_edge)

    def add_column(self, header: Any = "", *others: Any, **settings: Any) -> None:
        """Add a column by its head."""
        super().add_column(escaped(header), *others, **settings)

    def add_row(self, *cells: Any, **settings: Any) -> None:
        """Add a row of texts."""
        super().add_row(*map(escaped, cells), **settings)


def plain_console(
    stderr: bool = False, wide: bool = False, line_by_line: bool = False
) -> PlainConsole:
    """Where lines and tables are printed.

    Parameters
    ----------
    wide
        Not broken to 80 columns where the output is no terminal.
    line_by_line
        Neither coloured nor broken.
    """
    width = PIPE_WIDTH if wide and not sys.stdout.isatty() else None
    return PlainConsole(
        markup=False,
        emoji=False,
        stderr=stderr,
        width=width,
        highlight=not line_by_line,
        soft_wrap=line_by_line,
    )


def number_table(title: str, *names: str) -> PlainTable:
    """A table whose first column is text and whose others are numbers."""
    table = PlainTable(title)
    table.add_column(names[0])
    for name in names[1:]:
        table.add_column(name, justify="right")
    return table


def text_table(title: str | None, *names: str) -> PlainTable:
    """A table whose columns are texts."""
    table = PlainTable(title)
    for name in names:
        table.add_column(name)
    return table


def print_line(text: object, err: bool = False) -> None:
    """Print one line."""
    typer.echo(escaped(text), err=err)


def print_document(value: Any, sort_keys: bool = False, compact: bool = False) -> None:
    """Print plain data as one JSON document."""
    options = orjson.OPT_SORT_KEYS if sort_keys else 0
    if not compact:
        options |= orjson.OPT_INDENT_2
    print_text(orjson.dumps(value, option=options).decode())


def print_text(text: str) -> None:
    """Print JSON or TOML, of one or more lines: what acts becomes an escape of the format."""
    typer.echo(escaped_json(text.removesuffix("\n")))


def write_lines(lines: Iterable[bytes]) -> None:
    """Write lines of JSON: to a terminal escaped, elsewhere the bytes that they are."""
    out, shown = sys.stdout.buffer, sys.stdout.isatty()
    for line in lines:
        out.write(escaped_json(line.decode()).encode() if shown else line)
        out.write(b"\n")
    out.flush()


class LineWriter:
    """Writes events as lines of JSON among other things that a terminal shows."""

    def __init__(self) -> None:
        self._shown = sys.stdout.isatty()

    def write(self, line: bytes) -> None:
        """Write a line; it may wait until `flush`."""
        text = line.decode()
        # As text: a terminal shows it above the bar.
        sys.stdout.write((escaped_json(text) if self._shown else text) + "\n")

    def flush(self) -> None:
        """Show what waits."""
        sys.stdout.flush()


def print_traceback() -> None:
    """Print the error that is being handled, with its traceback."""
    for line in traceback.format_exc().rstrip("\n").split("\n"):
        print_line(line, err=True)


def confirmed(question: str) -> bool:
    """Whether the person at the terminal says yes."""
    return typer.confirm(escaped(question))


def progress_bar(shown: bool = True) -> Progress:
    """A bar on standard error whose texts are no markup."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %", markup=False),
        TimeRemainingColumn(),
        console=plain_console(stderr=True),
        transient=True,
        disable=not shown,
    )


@contextmanager
def status_line(text: str) -> Iterator[Callable[[str], None]]:
    """A line on standard error that is replaced by what its function is called with."""
    with Status(escaped(text), console=plain_console(stderr=True)) as line:
        yield lambda now: line.update(escaped(now))


@contextmanager
def live_table(table: PlainTable) -> Iterator[Callable[[PlainTable], None]]:
    """A table that is replaced by what its function is called with; the last one stays."""
    with Live(table, console=plain_console(), auto_refresh=False) as live:
        yield lambda now: live.update(now, refresh=True)


def guard_standard_error() -> None:
    """Escape what Python itself prints of errors that nothing handles; for a process of ours."""
    import logging
    import threading
    import warnings

    from tapeline.streams.outputs.escaping import PlainFormatter

    def show(kind: Any, error: Any, trace: Any) -> None:
        for part in traceback.format_exception(kind, error, trace):
            for line in part.rstrip("\n").split("\n"):
                sys.stderr.write(writable(escaped(line)) + "\n")

    def format_warning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        line: str | None = None,
    ) -> str:
        return f"{escaped(filename)}:{lineno}: {category.__name__}: {escaped(message)}\n"

    sys.excepthook = show
    threading.excepthook = lambda args: show(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: show(args.exc_type, args.exc_value, args.exc_traceback)
    warnings.formatwarning = format_warning
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PlainFormatter())
