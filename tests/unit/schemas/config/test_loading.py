"""A file over the built-in configuration, and whether its parts agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.config.loading import load_config, read_config
from tapeline.schemas.config.model import Config, ConfigError, ConfigFileError, built_in_config


def read(text: str) -> Config:
    return read_config(text, "desk.toml")


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value


def test_an_empty_file_is_the_built_in_configuration() -> None:
    assert read("") == built_in_config()


def test_a_table_of_a_built_in_symbol_is_merged_key_by_key() -> None:
    es = read("[instruments.ES]\nhorizon_sessions = 3").instruments["ES"]
    assert (es.horizon_sessions, es.tick, es.ranges) == (3, "0.25", ("cme_index",))


def test_a_new_symbol_is_merged_over_the_default_as_the_file_changed_it() -> None:
    config = read(
        '[instruments.ACME]\nquality = false\n[instruments.default]\ncalendar = "XNYS"\ntick = 0.01'
    )
    acme = config.instruments["ACME"]
    assert (acme.calendar, acme.tick, acme.quality) == ("XNYS", "0.01", False)
    assert config.instrument("OTHER") == config.default
    assert config.default is not None
    assert (config.default.calendar, config.default.quality) == ("XNYS", True)


def test_a_changed_default_does_not_touch_the_built_in_symbols() -> None:
    config = read('[instruments.default]\ncalendar = "XNYS"\nquality = false')
    assert config.instruments == built_in_config().instruments


def test_a_new_symbol_without_a_default_is_merged_over_the_built_in_default() -> None:
    config = read("[instruments]\ndefault = false\n[instruments.ACME]\ntick = 0.01")
    assert config.default is None
    assert (config.instruments["ACME"].calendar, config.instruments["ACME"].tick) == (
        "24/7",
        "0.01",
    )


def test_auto_takes_a_structural_class_of_the_default_back() -> None:
    config = read(
        '[instruments.default]\nstructural_class = 4\n[instruments.X]\nstructural_class = "auto"'
    )
    assert config.instruments["X"].structural_class is None


def test_groups_and_templates_are_merged_by_name() -> None:
    config = read(
        '[groups]\nmetals = ["GC", "SI"]\n'
        '[templates.cme_long]\nzone = "UTC"\nkinds = [{kind = "Long", period = "year"}]'
    )
    assert config.groups == {"ES-NQ": ("ES", "NQ"), "metals": ("GC", "SI")}
    assert list(config.templates) == ["cme_index", "cme_long", "prior_session"]
    assert config.templates["cme_long"].zone == "UTC"


def test_an_explicit_list_of_intervals_is_normalised_and_sorted_by_length() -> None:
    config = read('[derived]\nintervals = ["1w", "1h", "3m", "1d", "300s"]')
    assert config.derived.intervals == ("3m", "5m", "60m", "1d", "1w")


def test_no_derived_bars_at_all_is_a_choice() -> None:
    assert read("[derived]\nintervals = []").intervals_for("1m") == ()


def test_intervals_of_seconds_do_not_ask_unnamed_instruments_for_seconds() -> None:
    config = read('[instruments.BTC]\nbase = "1s"\n[derived]\nintervals = ["10s", "1m", "1d"]')
    assert [each.name for each in config.intervals_for("1s")] == ["10s", "1m", "1d"]
    assert [each.name for each in config.intervals_for("1m")] == ["1d"]


@pytest.mark.parametrize(
    ("text", "index", "named"),
    [
        ('[derived]\nintervals = ["1m"]', 0, "1m, the base of ES"),
        ('[derived]\nintervals = ["5m", "30s"]', 1, "1m, the base of ES"),
        ('[derived]\nintervals = ["90s"]', 0, "1m, the base of ES"),
        (
            '[instruments.X]\nbase = "5m"\n[derived]\nintervals = ["1d", "7m"]',
            1,
            "5m, the base of X",
        ),
        ('[instruments.X]\nbase = "4h"\n[derived]\nintervals = ["1h"]', 0, "240m, the base of X"),
        ('[instruments.X]\nbase = "4h"\n[derived]\nintervals = ["4h"]', 0, "240m, the base of X"),
        (
            '[instruments.default]\nbase = "4h"\n[derived]\nintervals = ["1w", "5h"]',
            1,
            "240m, the base of default",
        ),
        (
            '[groups]\nES-NQ = ["NQ", "ES"]\n[derived]\nintervals = ["1m"]',
            0,
            "1m, the base of NQ",
        ),
    ],
)
def test_an_interval_that_is_no_coarser_multiple_of_a_base_is_named(
    text: str, index: int, named: str
) -> None:
    error = refusal(text)
    assert error.key == f"derived.intervals[{index}]"
    assert named in error.allowed


@pytest.mark.parametrize(
    ("intervals", "index"),
    [
        ('["5m", "0m"]', 1),
        ('["2d"]', 0),
        ('["1d", "1w", "2w"]', 2),
        ('["5m", "5"]', 1),
        ('["5m", ""]', 1),
        ('["5m", 15]', 1),
        ('["5m", "five"]', 1),
        ('["5m", "60m", "1h"]', 2),
        ('["300s", "5m"]', 1),
        ('["1d", "1d"]', 1),
    ],
)
def test_a_wrong_or_repeated_interval_is_named(intervals: str, index: int) -> None:
    assert refusal(f"[derived]\nintervals = {intervals}").key == f"derived.intervals[{index}]"


def test_a_repeated_interval_names_the_first() -> None:
    error = refusal('[derived]\nintervals = ["5m", "60m", "1h"]')
    assert str(error) == (
        'desk.toml: derived.intervals[2] = "1h" is not allowed;'
        " allowed: each interval once (60m is item 1)"
    )


TWO_YM = "[instruments.YM]\n{}\n[instruments.RTY]\n{}\n[groups]\nsmall = ['YM', 'RTY']"


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ("[groups]\nx = []", "groups.x", "one or two different symbols"),
        ("[groups]\nx = ['A', 'B', 'C']", "groups.x", "one or two different symbols"),
        ("[groups]\nx = 'A'", "groups.x", "one or two different symbols"),
        ("[groups]\nx = ['A', 'A']", "groups.x[1]", "one or two different symbols"),
        ("[groups]\nx = ['A', 1]", "groups.x[1]", "1 to 64 characters"),
        ("[groups]\nx = ['A|B']", "groups.x[0]", "1 to 64 characters"),
        ("[groups]\n'x y' = ['A']", 'groups."x y"', "1 to 64 characters"),
        ("[groups]\nx = ['ES', 'YM']", "groups.x[0]", "ES is in ES-NQ"),
        ("[groups]\nx = ['A']\ny = ['B', 'A']", "groups.y[1]", "A is in x"),
        ("[groups]\nA = ['B', 'C']\n[instruments.A]", "groups.A", "no symbol outside it"),
        ("[groups]\nA = ['B']\nx = ['A']", "groups.A", "no symbol outside it"),
        ("[instruments.ES-NQ]", "groups.ES-NQ", "no symbol outside it"),
        (
            "[instruments]\ndefault = false\n[groups]\nx = ['A']",
            "groups.x[0]",
            "configured symbols",
        ),
        (TWO_YM.format("base = '5m'", ""), "groups.small", "same base; YM has 5m, RTY has 1m"),
        (
            TWO_YM.format("calendar = 'XNYS'", ""),
            "groups.small",
            "same calendar; YM has XNYS, RTY has 24/7",
        ),
        (
            TWO_YM.format("", "ranges = ['prior_session']"),
            "groups.small",
            "same ranges; YM has [], RTY has [prior_session]",
        ),
        ("[instruments.ES]\nranges = []", "groups.ES-NQ", "ES has [], NQ has [cme_index]"),
        (
            "[instruments.ES]\nbase = '5m'\nranges = ['cme_long']",
            "groups.ES-NQ",
            "same base; ES has 5m, NQ has 1m",
        ),
    ],
)
def test_a_group_that_cannot_be_is_named(text: str, key: str, allowed: str) -> None:
    error = refusal(text)
    assert error.key == key
    assert allowed in error.allowed


def test_a_group_may_bear_the_name_of_its_member() -> None:
    config = read("[groups]\nYM = ['YM', 'RTY']")
    assert config.group_of("RTY") == "YM"


def test_members_may_differ_in_what_does_not_order_them() -> None:
    config = read(TWO_YM.format("tick = 1\nhorizon_sessions = 3", "tick = 0.1\nquality = false"))
    assert config.members("small") == ("YM", "RTY")


@pytest.mark.parametrize("value", ["true", "1", "'no'", "[]"])
def test_the_default_is_a_table_or_false(value: str) -> None:
    error = refusal(f"[instruments]\ndefault = {value}")
    assert (error.key, error.allowed) == (
        "instruments.default",
        "a table, or false to accept no other symbols",
    )


@pytest.mark.parametrize("symbol", ["", "A B", "A|B", "A" * 65])
def test_a_symbol_that_could_break_an_id_is_refused(symbol: str) -> None:
    error = refusal(f'[instruments."{symbol}"]\ntick = 1')
    assert "1 to 64 characters" in error.allowed
    assert error.value == symbol


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a =", "Invalid value"),
        ("[kafka]\npartitions = 1\npartitions = 2\n", "line 3"),
        ("[kafka\npartitions = 1\n", "line 1"),
        ("x = " + "[" * 5_000, "is not TOML"),
        ("x = " + "1" * 5_000, "is not TOML"),
        ("[instruments.ES]\n[instruments.ES]", "line 2"),
    ],
    ids=["no value", "twice", "open table", "too deep", "too long", "table twice"],
)
def test_a_file_that_is_no_toml_is_named_with_the_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigFileError, match=r"^desk\.toml: is not TOML: ") as caught:
        read(text)
    assert problem in str(caught.value)


def test_a_number_beyond_any_float_is_a_wrong_value() -> None:
    assert refusal("[kafka]\npartitions = 0x" + "f" * 5_000).key == "kafka.partitions"


def test_keys_nested_without_end_are_a_wrong_value() -> None:
    assert refusal("instruments." + "a." * 2_000 + "a = 1").key == "instruments.a.a"


def test_a_file_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_bytes(b"\xef\xbb\xbf[instruments.ES]\r\ntick = 0.5\r\n")
    assert load_config(path).instruments["ES"].tick == "0.5"
    assert load_config(str(path)) == load_config(path)


def test_the_file_of_the_current_folder_is_used_if_present(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config() == built_in_config()
    (tmp_path / "tapeline.toml").write_text("[instruments.ES]\ntick = 0.5\n", "utf-8")
    assert load_config().instruments["ES"].tick == "0.5"


def test_an_error_names_the_file_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tapeline.toml").write_text("[instruments.ES]\ntick = 0\n", "utf-8")
    with pytest.raises(ConfigError, match=r"^tapeline\.toml: instruments\.ES\.tick = 0 is not"):
        load_config()


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    with pytest.raises(ConfigFileError, match="cannot be read: No such file") as caught:
        load_config(path)
    assert caught.value.file == str(path)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_bytes(b"[kafka]\n\xff\xfe")
    with pytest.raises(ConfigFileError, match="is not UTF-8 text"):
        load_config(path)
