"""Where the command ``tapeline`` begins, and ``python -m tapeline``."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> int:
    """Run a command; see `streams.cli.main.main`.

    All it needs is imported here, so that an interrupt during that, too, is one plain message.
    """
    try:
        from tapeline.streams.cli.main import main as command_line
        from tapeline.streams.outputs.terminal import guard_standard_error

        guard_standard_error()
        return command_line()
    except KeyboardInterrupt:
        # Nothing that prints more finely is there yet.
        sys.stderr.write("tapeline: interrupted\n")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
