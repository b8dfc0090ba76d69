"""Guard: imports point one way, cli -> (embedded, worker, replay) -> core -> schemas."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tapeline.streams.host.purity import CORE_STANDARD_LIBRARY
from tests.house.source_tree import PACKAGES, Violation

# Rooms by floor: a folder, with all below it that has no row of its own. A module may import its
# own room and every lower floor; rooms that share a floor do not know each other.
_FLOORS = {
    "schemas": 0,
    "streams": 1,
    "streams.core": 2,
    "streams.calendars": 3,
    "streams.pipeline": 4,
    "streams.host": 5,
    "streams.outputs": 5,
    "streams.monitoring": 5,
    "streams.hang": 6,
    "streams.feeds": 6,
    "streams.store": 7,
    "streams.kafka": 7,
    "streams.embedded": 8,
    "streams.store.run": 8,
    "streams.consuming": 8,
    "streams.worker": 8,
    "replay": 9,
    "streams.ingest": 9,
    "streams.drill": 9,
    "streams.hosting": 10,
    "streams.cli.show": 10,
    "streams.cli": 11,
    "tapeline": 12,
}
# Rooms inside of rooms: the folder's own modules lie above them, and one above another here.
_INNER_FLOORS = {
    "streams.worker.state": 0,
    "streams.worker.bridge": 1,
}
_ABOVE_INNER = 2
_PACKAGE = "tapeline"

# A decorator for mypyc, and nothing that runs.
_COMPILER = frozenset({"mypy_extensions"})
_SCHEMAS_THIRD_PARTY = frozenset({"msgspec", "orjson"})
_WORKER_ONLY = frozenset({"faust", "mode"})
_DATABASE = "rocksdict"
_DATABASE_MODULE = "streams.store.database"
_CALENDAR_LIBRARIES = frozenset({"exchange_calendars", "pandas", "pandas_market_calendars"})
# Frames of events are no calendars.
_OF_THEIR_OWN = frozenset({("replay.export", "pandas")})
_OUTSIDE = frozenset({"benchmarks", "examples", "tests"})


class Import(NamedTuple):
    """One imported name: its line, the module it comes from and the name's full path.

    Whether ``from streams import cli`` names a module or an object in one cannot be seen here;
    rooms are found by prefix, so `path` serves for both.
    """

    line: int
    origin: str
    path: str


def forbidden_imports(source: str, module: str, *, is_package: bool = False) -> list[Violation]:
    """Imports in `source` that the module called `module` may not make, in line order.

    `is_package` is true for the text of an ``__init__.py``: relative imports count from there.
    """
    found = []
    for imported in imports(source, module, is_package=is_package):
        objection = _objection(module, imported)
        if objection is not None:
            found.append(Violation(imported.line, objection))
    return found


def calendar_tool_imports(sources: dict[str, str]) -> list[str]:
    """Modules that reach the calendar libraries through the tool that makes the artefacts.

    `sources` maps module names to their texts. The tool is whatever imports one of the libraries;
    it belongs to `streams.calendars`, and nothing that runs may import it.
    """
    known = {f"{_PACKAGE}.{name}": list(imports(text, name)) for name, text in sources.items()}
    tools = {
        name
        for name, found in known.items()
        if any(
            each.origin.partition(".")[0] in _CALENDAR_LIBRARIES
            and (name.removeprefix(f"{_PACKAGE}."), each.origin) not in _OF_THEIR_OWN
            for each in found
        )
    }
    strangers = [name for name in sorted(tools) if room(name) != "streams.calendars"]
    users = [
        name
        for name, found in sorted(known.items())
        if name not in tools and any(each.origin in tools or each.path in tools for each in found)
    ]
    return [name.removeprefix(f"{_PACKAGE}.") for name in (*strangers, *users)]


def imports(source: str, module: str, *, is_package: bool = False) -> Iterator[Import]:
    """All imports of a module's text, also those inside functions and type checks."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, alias.name)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, module, is_package)
            for alias in node.names:
                yield Import(node.lineno, origin, f"{origin}.{alias.name}")


def room(module: str) -> str:
    """The room of a module of ours: the longest name of the floor plan that contains it.

    The three folders of the repository are imported as parts of the package.
    """
    return _longest(_inside(module), _FLOORS)


def _inside(module: str) -> str:
    inner = module.removeprefix(f"{_PACKAGE}.")
    return inner if inner.partition(".")[0] in PACKAGES else module


def _longest(module: str, rooms: Iterable[str]) -> str:
    names = [name for name in rooms if module == name or module.startswith(name + ".")]
    return max(names, key=len, default="")


def _objection(module: str, imported: Import) -> str | None:
    top = imported.origin.partition(".")[0]
    here = room(module)
    if top == _PACKAGE:
        return _wrong_way(module, imported.path)
    if top in PACKAGES:
        return f"{module} imports {imported.origin}: a second copy of {_PACKAGE}.{imported.origin}"
    if top in _OUTSIDE:
        return f"{module} imports {imported.origin}: the packages do not know {top}"
    if top == _DATABASE and module != _DATABASE_MODULE and here != "streams.worker":
        return f"{module} imports {imported.origin}: only {_DATABASE_MODULE} and the worker may"
    if top in _WORKER_ONLY and here != "streams.worker":
        return f"{module} imports {imported.origin}: only streams.worker may"
    if here == "streams.core" and imported.origin not in CORE_STANDARD_LIBRARY | _COMPILER:
        allowed = ", ".join(sorted(CORE_STANDARD_LIBRARY | _COMPILER))
        return f"core imports {imported.origin}; besides schemas it may import {allowed}"
    if here == "schemas" and top not in sys.stdlib_module_names | _SCHEMAS_THIRD_PARTY:
        return f"schemas imports {imported.origin}: only the standard library and msgspec"
    return None


def _wrong_way(module: str, path: str) -> str | None:
    # The version, and no more, is known below.
    if path in {_PACKAGE, f"{_PACKAGE}.__version__"}:
        return None
    here, there = room(module), room(path)
    if here == there:
        return _wrong_way_inside(module, path)
    if _FLOORS[there] < _FLOORS[here]:
        return None
    return f"{here} imports {path}: imports point from cli over drivers and core to schemas"


def _wrong_way_inside(module: str, path: str) -> str | None:
    here, there = (_longest(_inside(each), _INNER_FLOORS) for each in (module, path))
    floor, other = (_INNER_FLOORS.get(each, _ABOVE_INNER) for each in (here, there))
    if here == there or other < floor:
        return None
    return f"{here} imports {path}: it lies below, and what both need belongs below both"


def _origin(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.split(".")
    if parts[0] in PACKAGES:
        parts.insert(0, _PACKAGE)
    base = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*base, node.module] if node.module else base)


def module_graph(sources: dict[str, str], packages: frozenset[str]) -> dict[str, set[str]]:
    """Which modules of ours each module imports, also inside functions.

    Parameters
    ----------
    sources
        Texts by module name.
    packages
        Names that are packages.
    """
    found: dict[str, set[str]] = {}
    for name, text in sources.items():
        reached = found[name] = set()
        for each in imports(text, name, is_package=name in packages):
            paths = [each.path, each.origin]
            paths = [path.removeprefix(f"{_PACKAGE}.") for path in paths]
            reached.update([path for path in paths if path in sources and path != name][:1])
    return found


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Nodes that lead to each other, in order of the way; none when there is no such way."""
    done: set[str] = set()
    for start in sorted(graph):
        way: list[str] = []
        ahead = [[start]]
        while ahead:
            if not ahead[-1]:
                ahead.pop()
                if way:
                    done.add(way.pop())
                continue
            node = ahead[-1].pop()
            if node in way:
                return way[way.index(node) :]
            if node not in done:
                way.append(node)
                ahead.append(sorted(graph.get(node, ())))
    return []


def siblings(graph: dict[str, set[str]], parent: str) -> dict[str, set[str]]:
    """Which folders of a folder import which others of it, of a graph of modules."""
    found: dict[str, set[str]] = {}
    for module, reached in graph.items():
        here = _child(module, parent)
        if here is not None:
            others = (_child(each, parent) for each in reached)
            found.setdefault(here, set()).update(each for each in others if each and each != here)
    return found


def _child(module: str, parent: str) -> str | None:
    inner = module.removeprefix(f"{parent}.")
    return inner.partition(".")[0] if inner != module and "." in inner else None
