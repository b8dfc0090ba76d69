"""The rules of live feeds without I/O: events of sockets and timers in, actions out."""
