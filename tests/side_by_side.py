"""Run two commands beside each other: the first one's output as it comes, then the second one's.

    python tests/side_by_side.py COMMAND... -- COMMAND...

Broker tests wait most of their time; beside them the other core does the rest. Exit code 0 when
both end with 0, else that of the first that did not.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence

SEPARATOR = "--"


def run(first: Sequence[str], second: Sequence[str]) -> int:
    """Run both to their ends; the exit code of both together.

    An interrupt reaches both, as they are in one process group; both are waited for.
    """
    with tempfile.TemporaryFile() as output:
        beside = subprocess.Popen(second, stdout=output, stderr=subprocess.STDOUT)
        try:
            code = subprocess.run(first).returncode
        finally:
            other = beside.wait()
            output.seek(0)
            sys.stdout.flush()
            sys.stdout.buffer.write(output.read())
            sys.stdout.flush()
    sys.stdout.write(f"{' '.join(first)}: {code}; {' '.join(second)}: {other} (exit codes)\n")
    return code or other


def main(arguments: Sequence[str]) -> int:
    """Split the command line at its separator and run the two."""
    place = list(arguments).index(SEPARATOR)
    return run(arguments[:place], arguments[place + 1 :])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
