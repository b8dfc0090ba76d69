"""Sockets, requests and files of live feeds: what an engine asks for, and what came of it."""
