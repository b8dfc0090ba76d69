"""Workers of one machine: each has an ordinal, a folder and a port of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.streams.worker.instance import InstanceTakenError, claim_instance


def test_workers_that_do_not_name_themselves_get_the_lowest_free_ordinals(tmp_path: Path) -> None:
    with claim_instance(tmp_path, None) as first, claim_instance(tmp_path, None) as second:
        assert [first.number, second.number] == [0, 1]
        assert first.folder != second.folder
        assert first.port != second.port


def test_an_ordinal_that_runs_is_refused_and_free_again_afterwards(tmp_path: Path) -> None:
    with (
        claim_instance(tmp_path, 3),
        pytest.raises(InstanceTakenError, match="instance 3 already runs"),
    ):
        claim_instance(tmp_path, 3)
    with claim_instance(tmp_path, 3) as again:
        assert again.number == 3


def test_the_ends_of_replaced_processes_are_counted_over_restarts(tmp_path: Path) -> None:
    with claim_instance(tmp_path, 0) as claimed:
        assert claimed.zombie_exits == 0
        claimed.count_zombie_exit()
        claimed.count_zombie_exit()
    with claim_instance(tmp_path, 0) as later:
        assert later.zombie_exits == 2
