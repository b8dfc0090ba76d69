"""The command line: one module a family of commands; parse, call, print."""
