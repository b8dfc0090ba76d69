"""Source of a strategy: its file, and the modules of its own folder that it imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from tapeline.schemas.errors import UnusableError

PACKAGE = "tapeline"
INIT = "__init__.py"


class StrategyLoadError(UnusableError, ValueError):
    """A strategy that cannot be loaded, or may not."""


class StrategySource(Struct, frozen=True):
    """What a strategy is written in.

    Attributes
    ----------
    file
        Of its class.
    package
        Package that the folder of the file is; None where it is none.
    texts
        Source by dotted name from the folder on, sorted by name; that of the file is its stem.
    files
        File of each.
    """

    file: Path
    package: str | None
    texts: dict[str, str]
    files: dict[str, Path]

    @property
    def own(self) -> tuple[str, ...]:
        """Modules of its folder that it imports, by the names that they are imported by."""
        names = tuple(name for name in self.texts if name != self.file.stem)
        if self.package is None:
            return names
        return tuple(f"{self.package}.{name}" for name in names)

    @property
    def importable(self) -> tuple[str, ...]:
        """What it may import as its own, with all below."""
        return self.own if self.package is None else (self.package,)

    def file_of(self, module: str) -> Path:
        """File of one of the modules `own`."""
        beginning = "" if self.package is None else f"{self.package}."
        return self.files[module.removeprefix(beginning)]


def read_source(file: Path, package: str | None = None) -> StrategySource:
    """Source of the strategy in a file; nothing of it is run.

    Parameters
    ----------
    package
        Package that the folder of the file is, for absolute imports of its modules.

    Raises
    ------
    StrategyLoadError
        When a file cannot be read, is no UTF-8, or no Python.
    """
    folder = file.parent
    texts: dict[str, str] = {}
    files: dict[str, Path] = {}
    waiting = [(file.stem, file)]
    while waiting:
        name, path = waiting.pop()
        if name in texts:
            continue
        texts[name], files[name] = _text(path), path
        for imported in _imported(texts[name], name, path, package):
            waiting.extend(_in_folder(folder, imported))
    return StrategySource(file, package, dict(sorted(texts.items())), files)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise StrategyLoadError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StrategyLoadError(f"{path}: is not UTF-8 text (byte {error.start})") from error


def _imported(text: str, name: str, path: Path, package: str | None) -> Iterator[str]:
    """Dotted names from the folder on that a module imports, of modules or of what is in them."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise StrategyLoadError(f"{path}: is no Python: {error}") from error
    here = name if path.name == INIT else name.rpartition(".")[0]
    if name == path.stem and path.name == INIT:
        here = ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _from_folder(alias.name, package)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for beginning in _from_folder(node.module or "", package):
                yield from (_joined(beginning, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = here.split(".") if here else []
            if node.level - 1 <= len(parts):
                base = ".".join(parts[: len(parts) - (node.level - 1)])
                beginning = _joined(base, node.module or "")
                yield from (_joined(beginning, alias.name) for alias in node.names)


def _from_folder(name: str, package: str | None) -> Iterator[str]:
    """The name from the folder on, of an absolute import that may lie in it."""
    if package is None:
        if name.partition(".")[0] not in {*sys.stdlib_module_names, PACKAGE}:
            yield name
    elif name == package or name.startswith(f"{package}."):
        yield name[len(package) + 1 :]


def _joined(beginning: str, name: str) -> str:
    return f"{beginning}.{name}" if beginning and name else beginning or name


def _in_folder(folder: Path, dotted: str) -> Iterator[tuple[str, Path]]:
    """Modules of a folder on the way to a dotted name, whose last parts may be no modules."""
    parts = [part for part in dotted.split(".") if part]
    for count in range(1, len(parts) + 1):
        base = folder.joinpath(*parts[:count])
        for path in (base / INIT, base.with_suffix(".py")):
            if path.is_file():
                yield ".".join(parts[:count]), path
                break
        else:
            # A folder is a package without a file of its own, too.
            if not base.is_dir():
                return
