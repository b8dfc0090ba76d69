"""Strategies are found, checked before anything of them runs, and set up once."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, ConfigError, built_in_config
from tapeline.streams.host.errors import SetupError
from tapeline.streams.host.loading import enabled_strategies, load_strategies
from tapeline.streams.host.sources import StrategyLoadError

FADE = """
from tapeline import Needs, Strategy

class Fade(Strategy):
    def setup(self, config):
        self.fast = config.settings.get("fast", 3)
        if self.fast < 1:
            raise ValueError("fast: at least 1")
        return Needs(bars={"5m": self.fast})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fade.py").write_text(FADE, "utf-8")
    return tmp_path


def configured(folder: Path, more: str = "", **keys: Any) -> Config:
    """A configuration with the strategy `fade`."""
    written = {"module": '"fade.py:Fade"', "symbols": '["NQ", "ES"]', **keys}
    table = "\n".join(f"{key} = {value}" for key, value in written.items())
    return read_config(f"[strategies.fade]\n{table}\n{more}", str(folder / "tapeline.toml"))


def test_a_configured_strategy_is_loaded_with_its_settings(folder: Path) -> None:
    config = configured(folder, fast="7", muted="true", on_fault='"flatten"')
    [found] = load_strategies(config, ["fade"])
    assert (found.name, found.symbols, found.account) == ("fade", ("ES", "NQ"), "default")
    assert (found.muted, found.on_fault, found.unsafe) == (True, "flatten", False)
    assert dict(found.needs.bars) == {"5m": 7}
    assert found.make().__class__.__name__ == "Fade"
    assert len(found.version) == 12


def test_a_file_is_loaded_without_a_table_and_bears_the_name_of_its_class(folder: Path) -> None:
    [found] = load_strategies(built_in_config(), [f"{folder}/fade.py:Fade"], symbols=["ACME"])
    assert (found.name, found.symbols) == ("Fade", ("ACME",))
    [other] = load_strategies(built_in_config(), [f"{folder}/fade.py:Fade"])
    assert other.symbols == ("ES", "NQ")
    assert other.version != found.version


def test_all_are_those_that_are_enabled(folder: Path) -> None:
    second = (
        '[strategies.b]\nmodule = "fade.py:Fade"\nsymbols = ["ES"]\n'
        '[strategies.a]\nmodule = "fade.py:Fade"\nsymbols = ["ES"]\nenabled = false\n'
    )
    config = configured(folder, second)
    assert enabled_strategies(config) == ("b", "fade")
    assert [each.name for each in load_strategies(config, ["all"])] == ["b", "fade"]
    assert [each.name for each in load_strategies(config, ["fade", "a"])] == ["a", "fade"]
    with pytest.raises(StrategyLoadError, match="strategy fade: is named twice"):
        load_strategies(config, ["fade", "all"])
    with pytest.raises(StrategyLoadError, match="none is configured and enabled"):
        load_strategies(built_in_config(), ["all"])


def test_given_settings_replace_those_of_the_table_and_change_the_version(folder: Path) -> None:
    config = configured(folder, fast="7")
    [plain] = load_strategies(config, ["fade"])
    [found] = load_strategies(config, ["fade"], settings={"fast": 9, "symbols": ["ES"]})
    assert (found.settings, found.symbols) == ({"fast": 9}, ("ES",))
    assert found.version != plain.version
    with pytest.raises(ConfigError, match=r"--set: on_fault = \"stop\" is not allowed"):
        load_strategies(config, ["fade"], settings={"on_fault": "stop"})


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("import time", 1, "imports time"),
        ("\nimport numpy", 2, "imports numpy"),
        ("from datetime import datetime\nT = datetime.now()", 2, "reads the clock"),
        ("X = open('a')", 1, r"calls open\(\)"),
        ("import helper", 1, "imports os"),
    ],
)
def test_an_impure_strategy_is_refused_before_anything_of_it_runs(
    folder: Path, source: str, line: int, message: str
) -> None:
    written = f"{source}\nraise SystemExit\n{FADE}"
    (folder / "fade.py").write_text(written, "utf-8")
    (folder / "helper.py").write_text("import os", "utf-8")
    where = "helper.py:1" if "helper" in source else f"fade.py:{line}"
    with pytest.raises(StrategyLoadError, match=rf"{where}: .*{message}") as caught:
        load_strategies(configured(folder), ["fade"])
    assert "--unsafe" in str(caught.value)


def test_unsafe_leaves_out_the_check_and_says_so(folder: Path) -> None:
    (folder / "fade.py").write_text(f"import os\n{FADE}", "utf-8")
    [found] = load_strategies(configured(folder), ["fade"], unsafe=True)
    assert found.unsafe


def test_an_import_that_is_allowed_is_part_of_the_version(folder: Path) -> None:
    (folder / "fade.py").write_text(f"import textwrap\n{FADE}", "utf-8")
    [found] = load_strategies(configured(folder, allow='["textwrap"]'), ["fade"])
    [other] = load_strategies(configured(folder, allow='["textwrap", "csv"]'), ["fade"])
    assert found.version != other.version


def test_modules_of_the_folder_are_imported_and_no_others_of_their_name(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for path, low in ((folder, 1), (elsewhere, 2)):
        (path / "levels_of_fade.py").write_text(f"LOW = {low}", "utf-8")
        (path / "fade.py").write_text(f"from levels_of_fade import LOW\n{FADE}", "utf-8")
    monkeypatch.delitem(sys.modules, "levels_of_fade", raising=False)
    path_before = list(sys.path)
    [found] = load_strategies(configured(folder), ["fade"])
    assert sys.modules[found.make.__module__].LOW == 1
    assert sys.path == path_before
    with pytest.raises(StrategyLoadError, match="another module levels_of_fade is loaded"):
        load_strategies(configured(elsewhere), ["fade"])
    monkeypatch.delitem(sys.modules, "levels_of_fade")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with strategies as entry points."""
    site = tmp_path / "site"
    package = site / "desk_of_fades" / "rules"
    package.mkdir(parents=True)
    (package / "fade.py").write_text(f"from desk_of_fades.rules import low\n{FADE}", "utf-8")
    (package / "low.py").write_text("LOW = 1", "utf-8")
    (package / "impure.py").write_text(f"import desk_of_fades.other\n{FADE}", "utf-8")
    metadata = site / "desk_of_fades-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: desk-of-fades\nVersion: 1.0\n", "utf-8")
    points = ["fade_of_desk = desk_of_fades.rules.fade:Fade", "gone = desk_of_fades.gone.it:Fade"]
    points.append("impure_fade = desk_of_fades.rules.impure:Fade")
    text = "\n".join(["[tapeline.strategies]", *points])
    (metadata / "entry_points.txt").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(site))
    return package


def test_an_installed_strategy_is_loaded_by_the_name_of_its_entry_point(installed: Path) -> None:
    table = '[strategies.mine]\nmodule = "fade_of_desk"\nsymbols = ["ES"]'
    [found] = load_strategies(read_config(table, "desk.toml"), ["mine"])
    [bare] = load_strategies(built_in_config(), ["fade_of_desk"], symbols=["ES"])
    assert (found.name, bare.name) == ("mine", "fade_of_desk")
    assert found.version == bare.version
    (installed / "low.py").write_text("LOW = 2", "utf-8")
    [other] = load_strategies(built_in_config(), ["fade_of_desk"], symbols=["ES"])
    assert other.version != bare.version


def test_an_installed_strategy_is_checked_as_any_other(installed: Path) -> None:
    with pytest.raises(StrategyLoadError, match=r"impure.py:1: imports desk_of_fades.other"):
        load_strategies(built_in_config(), ["impure_fade"])
    with pytest.raises(StrategyLoadError, match=r"desk_of_fades.gone.it cannot be found"):
        load_strategies(built_in_config(), ["gone"])
    table = '[strategies.mine]\nmodule = "fade_of_desks"\nsymbols = ["ES"]'
    with pytest.raises(StrategyLoadError, match=r"none of the entry points .*fade_of_desk"):
        load_strategies(read_config(table, "desk.toml"), ["mine"])


def test_what_a_strategy_prints_is_a_line_of_its_log(
    folder: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "fade.py").write_text(
        f"{FADE}        print('never')\n\ndef talk():\n    print(1, 2)\n", "utf-8"
    )
    [found] = load_strategies(configured(folder), ["fade"])
    with caplog.at_level(logging.INFO, "tapeline.strategy.fade"):
        sys.modules[found.make.__module__].talk()
    assert caplog.messages == ["1 2"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["fad"], r"strategy fad: is none of fade.*nearest: fade"),
        (["missing.py:Fade"], r"missing.py: cannot be read"),
        (["{folder}/fade.py:Fad"], r"fade.py:Fad is not there"),
        (["{folder}/fade.py:Needs"], r"fade.py:Needs is no class that inherits"),
    ],
)
def test_a_strategy_that_is_not_there_is_named(folder: Path, names: list[str], reason: str) -> None:
    with pytest.raises(StrategyLoadError, match=reason):
        load_strategies(configured(folder), [each.format(folder=folder) for each in names])


def test_a_file_that_fails_when_it_is_imported_is_named_with_its_error(folder: Path) -> None:
    (folder / "fade.py").write_text(f"{FADE}\nX = 1 // 0", "utf-8")
    with pytest.raises(StrategyLoadError, match=r"fade.py cannot be imported: ZeroDivisionError"):
        load_strategies(configured(folder), ["fade"])


def test_a_strategy_may_refuse_its_settings(folder: Path) -> None:
    with pytest.raises(SetupError, match="fast: at least 1"):
        load_strategies(configured(folder, fast="0"), ["fade"])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"account": "defalt"}, r"account defalt is none of default \(nearest: default\)"),
        ({"symbols": ["BTC"]}, "symbol BTC: allowed is symbols of the account's currency, USD"),
    ],
)
def test_account_and_strategy_go_together(
    folder: Path, settings: dict[str, Any], reason: str
) -> None:
    config = configured(folder, '[instruments.BTC]\ncurrency = "EUR"\n')
    with pytest.raises(StrategyLoadError, match=reason):
        load_strategies(config, ["fade"], settings=settings)
