"""Where commands print, and the form of their tables."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def plain_console() -> Console:
    """Where tables are printed: what files hold is shown as it is, also what looks like markup."""
    return Console(markup=False, emoji=False)


def number_table(title: str, *names: str) -> Table:
    """A table whose first column is text and whose others are numbers."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(names[0])
    for name in names[1:]:
        table.add_column(name, justify="right")
    return table
