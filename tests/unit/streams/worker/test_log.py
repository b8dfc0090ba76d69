"""Logs of a worker: JSON that a machine reads, and repetition held back and counted."""

from __future__ import annotations

import json
import logging

from tapeline.streams.worker.log import JsonFormatter, RepetitionFilter


def record(name: str, text: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "file", 1, text, values, None)


def test_a_line_of_json_has_time_level_logger_and_message() -> None:
    made = record("tapeline.worker", "partition %s\nis here", 3)
    made.created = 1_764_000_000.5
    assert json.loads(JsonFormatter().format(made)) == {
        "time": "2025-11-24T16:00:00.500+00:00",
        "level": "error",
        "logger": "tapeline.worker",
        "message": "partition 3\nis here",
    }


def test_an_error_is_part_of_its_line() -> None:
    made = record("tapeline.worker", "broken")
    error = ValueError("why")
    made.exc_info = (ValueError, error, None)
    assert "ValueError: why" in json.loads(JsonFormatter().format(made))["error"]


def test_a_client_that_repeats_itself_is_held_back_and_its_lines_are_counted() -> None:
    now = 0.0
    limit = RepetitionFilter(2, 10.0, lambda: now)
    passed = [limit.filter(record("aiokafka.client", "no node %s", each)) for each in range(5)]
    assert passed == [True, True, False, False, False]
    assert limit.filter(record("aiokafka.client", "something else"))
    now = 11.0
    later = record("aiokafka.client", "no node %s", 9)
    assert limit.filter(later)
    assert later.getMessage() == "no node 9 (and 3 more of the kind held back)"


def test_our_own_lines_always_pass() -> None:
    limit = RepetitionFilter(1, 10.0, lambda: 0.0)
    assert all(limit.filter(record("tapeline.worker", "chunk")) for _ in range(5))
