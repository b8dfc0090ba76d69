"""Compare every output of two commits, byte by byte.

    python tests/same_outputs.py BEFORE [AFTER]

AFTER is HEAD unless it is named. Each commit is checked out into a folder of its own and installed
into an environment of its own; both run the same commands over the sample books, the log of
corrections, and, where TAPELINE_DATA names their folder, the recorded weeks: runs, runs as
corrected, stores that take a delivery after another, replays of stores. Compared are all files of a
run, the topics and the log of a store, and folded views. Of a manifest only the digests of outputs
are: the rest of it names what made them.

Exit code 0 when all are equal, 1 when one differs or is missing, 2 when a commit cannot be run.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = "manifest.json"
DIGESTS = "output_sha256"
STATE = "state"
WEEKS = {symbol: f"{symbol.lower()}_1m_2025-12-07_2025-12-19.csv" for symbol in ("ES", "NQ")}
EQUITIES = ("AAPL", "RIVN")
LATE_ROWS = 97
"""Each such row of a book comes in a later delivery."""
MISSING = "missing"
DIFFERENT = "DIFFERENT"
EQUAL = "equal"


class CommitError(Exception):
    """A commit that cannot be checked out, installed or run."""


class Step(NamedTuple):
    """One command of both commits.

    Attributes
    ----------
    arguments
        Of `tapeline`, relative to the folder of outputs.
    shown
        File that takes what the command prints, None when that is not compared.
    """

    arguments: Sequence[str]
    shown: str | None = None


class Compared(NamedTuple):
    """One file of both commits."""

    name: str
    size: int
    verdict: str


def steps(inputs: Path, recorded: bool) -> Iterator[Step]:
    """The commands, in order."""
    sample = inputs / "sample"
    books = ["--bars", f"ES={sample / 'es.csv'}", "--bars", f"NQ={sample / 'nq.csv'}"]
    books += ["--bars", f"ACME={sample / 'acme.csv'}"]
    config = ["--config", str(sample / "tapeline.toml")]
    yield from _everywhere("sample", config, books)
    for name in ("es-holes.csv", "es-duplicates.csv"):
        yield Step(["run", "--bars", f"ES={sample / name}", *config, "--out", Path(name).stem])
    for name in ("es-late.jsonl", "es-corrections.jsonl"):
        yield from _everywhere(Path(name).stem, config, [str(sample / name)])
    if recorded:
        yield from _everywhere("weeks", [], _bars(inputs, "weeks", WEEKS))
        early, late = (_bars(inputs, name, WEEKS) for name in ("early", "late"))
        yield Step(["run", *early, "--store", "delivered"])
        yield Step(["run", *late, "--store", "delivered"])
        yield from _views("delivered", [])
        equities = ["--config", str(inputs / "equities.toml")]
        yield from _everywhere("equities", equities, _bars(inputs, "equities", EQUITIES))


def _everywhere(name: str, config: list[str], sources: list[str]) -> Iterator[Step]:
    """The same sources through every driver that needs no broker."""
    yield Step(["run", *sources, *config, "--out", name])
    if not any(each == "--bars" for each in sources):
        yield Step(["run", *sources, *config, "--as-corrected", "--out", f"{name}-as-corrected"])
    yield Step(["run", *sources, *config, "--store", f"{name}-store"])
    yield from _views(f"{name}-store", config)


def _views(store: str, config: list[str]) -> Iterator[Step]:
    yield Step(["state", "--store", store, "--json"], f"{store}.view.jsonl")
    yield Step(["gaps", "--store", store, "--json"], f"{store}.gaps.jsonl")
    yield Step(["replay", "--store", store, *config, "--out", f"{store}-replayed"])


def _bars(inputs: Path, folder: str, symbols: Sequence[str] | dict[str, str]) -> list[str]:
    return [
        word
        for symbol in symbols
        for word in ("--bars", f"{symbol}={inputs / folder / f'{symbol}.csv'}")
    ]


def make_inputs(tapeline: Path, folder: Path, data: Path | None) -> None:
    """Write what both commits read; samples are those of the commit before."""
    _run([str(tapeline), "sample", str(folder / "sample"), "--sessions", "12"])
    if data is None:
        return
    for name in ("weeks", "early", "late", "equities"):
        (folder / name).mkdir()
    for symbol, name in WEEKS.items():
        header, *rows = (data / name).read_text("utf-8").splitlines()
        parts = {
            "weeks": rows,
            "early": [row for number, row in enumerate(rows) if number % LATE_ROWS],
            "late": rows[::LATE_ROWS],
        }
        for part, kept in parts.items():
            (folder / part / f"{symbol}.csv").write_text("\n".join([header, *kept, ""]), "utf-8")
    for symbol in EQUITIES:
        [found] = data.glob(f"{symbol.lower()}-1m-*.csv")
        (folder / "equities" / f"{symbol}.csv").write_bytes(found.read_bytes())
    listed = [f'[instruments.{symbol}]\ncalendar = "XNYS"\n' for symbol in EQUITIES]
    (folder / "equities.toml").write_text("".join(listed), "utf-8")


@contextmanager
def installed(commit: str, workdir: Path) -> Iterator[Path]:
    """The `tapeline` of a commit, in an environment of its own; removed at the end."""
    tree = workdir / "tree"
    _run(["git", "-C", str(ROOT), "worktree", "add", "--quiet", "--detach", str(tree), commit])
    try:
        _run([sys.executable, "-m", "venv", str(workdir / "venv")])
        binaries = workdir / "venv" / "bin"
        _run([str(binaries / "python"), "-m", "pip", "install", "--quiet", "--editable", str(tree)])
        yield binaries / "tapeline"
    finally:
        _run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)])


def make_outputs(tapeline: Path, inputs: Path, folder: Path, recorded: bool) -> None:
    """Run all commands of a commit in a folder."""
    folder.mkdir()
    for step in steps(inputs, recorded):
        shown = _run([str(tapeline), *step.arguments], folder)
        if step.shown is not None:
            (folder / step.shown).write_bytes(shown)


def compare(before: Path, after: Path) -> list[Compared]:
    """All files that are outputs, by name."""
    names = sorted({name for folder in (before, after) for name in _outputs(folder)})
    return [_compared(name, before / name, after / name) for name in names]


def _outputs(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        # State is a matter of the version that wrote it.
        if path.is_file() and path.stat().st_size and STATE not in relative.parts[1:-1]:
            yield str(relative)


def _compared(name: str, before: Path, after: Path) -> Compared:
    if not before.is_file() or not after.is_file():
        return Compared(name, 0, MISSING)
    if before.name == MANIFEST:
        equal = _digests(before) == _digests(after)
    else:
        equal = filecmp.cmp(before, after, shallow=False)
    return Compared(name, before.stat().st_size, EQUAL if equal else DIFFERENT)


def _digests(manifest: Path) -> Any:
    return json.loads(manifest.read_bytes())[DIGESTS]


def _run(command: Sequence[str], folder: Path = ROOT) -> bytes:
    """What a command prints.

    Raises
    ------
    CommitError
        When it fails; 1 is an answer of the data.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode not in (0, 1):
        ended = done.stderr.decode(errors="replace").strip()
        raise CommitError(f"{' '.join(command)}\nended with {done.returncode}: {ended}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two commits; the exit code."""
    parser = argparse.ArgumentParser(description="Compare every output of two commits.")
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", nargs="?", default="HEAD", help="another one; HEAD")
    given = parser.parse_args(arguments)
    data = os.environ.get("TAPELINE_DATA")
    with ExitStack() as stack:
        workdir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        inputs = workdir / "inputs"
        inputs.mkdir()
        outputs = []
        try:
            for number, commit in enumerate((given.before, given.after)):
                own = workdir / str(number)
                own.mkdir()
                tapeline = stack.enter_context(installed(commit, own))
                if number == 0:
                    make_inputs(tapeline, inputs, None if data is None else Path(data))
                outputs.append(own / "outputs")
                make_outputs(tapeline, inputs, outputs[-1], data is not None)
        except CommitError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        found = compare(*outputs)
    for each in found:
        sys.stdout.write(f"{each.verdict:<9} {each.size:>12,}  {each.name}\n")
    wrong = [each for each in found if each.verdict != EQUAL]
    weeks = "with" if data is not None else "without"
    sys.stdout.write(f"{len(found)} files, {len(wrong)} differ; {weeks} the recorded weeks\n")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
