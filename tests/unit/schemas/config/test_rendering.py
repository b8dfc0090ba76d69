"""The printed configuration reads back as itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import CALENDAR_IDS, built_in_config
from tapeline.schemas.config.rendering import max_ahead_text, to_toml
from tapeline.schemas.intervals import BASE_INTERVALS

names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C"), exclude_characters="|"),
    min_size=1,
    max_size=8,
).filter(lambda name: name not in ("default", "ES", "NQ", "ES-NQ"))


def uncommented(text: str) -> str:
    lines = text.splitlines()[1:]
    return "\n".join(line.removeprefix("# ") for line in lines)


def test_the_built_in_configuration_reads_back() -> None:
    assert read_config(to_toml(built_in_config()), "shown") == built_in_config()


def test_what_is_built_in_is_shown_behind_a_mark_and_reads_back_without_it() -> None:
    shown = to_toml(built_in_config())
    assert '# [instruments.ES]\n# tick = "0.25"\n' in shown
    assert read_config(uncommented(shown), "shown") == built_in_config()
    kept = [line for line in shown.splitlines() if line and not line.startswith("#")]
    assert kept == ["[kafka]", "[time]", "[limits]", "[groups]", "[derived]", "[host]"]


def test_an_instrument_that_was_changed_is_shown_whole_and_without_a_mark() -> None:
    shown = to_toml(read_config("[instruments.ES]\nhorizon_sessions = 3", "desk.toml"))
    assert '\n[instruments.ES]\ntick = "0.25"\n' in shown
    assert "\nhorizon_sessions = 3\n" in shown
    assert "\n# [instruments.NQ]\n" in shown


def test_intervals_that_only_some_instruments_can_have_read_back() -> None:
    text = "[instruments.BTC]\nbase = '1s'\n[derived]\nintervals = ['10s', '1m']"
    config = read_config(text, "desk.toml")
    assert read_config(to_toml(config), "shown") == config


@pytest.mark.parametrize(
    "text",
    [
        "[instruments]\ndefault = false",
        "[instruments.default]\nstructural_class = 3\n[instruments.X]\nstructural_class = 'auto'",
        "[instruments.'BRK.B']\ntick = 0.01\nmax_ahead = '90m'\nnegative_prices = true",
        "[groups]\nES-NQ = ['NQ']\n'日経' = ['6J']",
        "[time]\nearliest = 1962-01-02\nlatest = '2050-01-01'",
        "[derived]\nintervals = []\nincomplete = 'skip'",
        "[kafka]\nbootstrap = 'a:1,b:2'\ntopic_prefix = 'desk'\npartitions = 3\nreplication = 3",
        (
            "[templates.m]\nzone = 'Asia/Tokyo'\nkinds = ["
            "{kind = 'S', period = 'session', levels = ['high', 'low']},"
            "{kind = 'T', period = 'session', levels = ['high', 'low'], coverage = 95},"
            "{kind = 'D', label = 'd', period = 'day', minutes = 5, coverage = 0,"
            " previous_close = true, true_open = 'close', expires_minutes = 7},"
            "{kind = 'W', period = 'week', start = '17:00', until = '17:00',"
            " levels = ['high', 'low']}]"
        ),
    ],
)
def test_a_changed_configuration_reads_back(text: str) -> None:
    config = read_config(text, "desk.toml")
    assert config != built_in_config()
    assert read_config(to_toml(config), "shown") == config


@given(
    symbol=names,
    tick=st.decimals("0.000001", "1000", places=6),
    calendar=st.sampled_from(CALENDAR_IDS),
    base=st.sampled_from(BASE_INTERVALS),
    ranges=st.sampled_from([[], ["prior_session"], ["prior_session", "cme_long"]]),
    structural_class=st.one_of(st.just("'auto'"), st.integers(1, 6)),
    flag=st.booleans(),
    horizon=st.integers(0, 10_000),
    seconds=st.integers(0, 999_999),
)
def test_any_instrument_reads_back(
    symbol: str,
    tick: object,
    calendar: str,
    base: str,
    ranges: list[str],
    structural_class: object,
    flag: bool,
    horizon: int,
    seconds: int,
) -> None:
    quoted = '"' + symbol.replace("\\", "\\\\").replace('"', '\\"') + '"'
    text = (
        f"[instruments.{quoted}]\ntick = '{tick:f}'\ncalendar = '{calendar}'\nbase = '{base}'\n"
        f"ranges = {ranges}\nstructural_class = {structural_class}\nquality = {str(flag).lower()}\n"
        f"horizon_sessions = {horizon}\nmax_ahead = '{seconds}s'\n"
    )
    config = read_config(text, "desk.toml")
    assert symbol in config.instruments
    assert read_config(to_toml(config), "shown") == config


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0d"),
        (35 * 86_400_000, "35d"),
        (36 * 3_600_000, "36h"),
        (5_400_000, "90m"),
        (61_000, "61s"),
    ],
)
def test_a_duration_is_shown_in_its_greatest_whole_unit(milliseconds: int, text: str) -> None:
    assert max_ahead_text(milliseconds) == text


def test_a_duration_of_no_whole_seconds_is_refused() -> None:
    with pytest.raises(ValueError, match="no whole seconds"):
        max_ahead_text(1_500)
