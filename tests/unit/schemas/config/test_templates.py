"""Own range templates: what may be combined, and on which instrument."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import ConfigError
from tapeline.schemas.config.templates import time_zones
from tapeline.schemas.templates import RangeKind

DAY = "kind = 'P', label = 'p', period = 'day', minutes = 30"


def kinds_of(*tables: str, zone: str = "UTC") -> tuple[RangeKind, ...]:
    kinds = ", ".join(f"{{{table}}}" for table in tables)
    text = f"[templates.mine]\nzone = '{zone}'\nkinds = [{kinds}]"
    return read_config(text, "desk.toml").templates["mine"].kinds


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_config(text, "desk.toml")
    return caught.value


def kind_refusal(table: str) -> ConfigError:
    return refusal(f"[templates.mine]\nzone = 'UTC'\nkinds = [{{{table}}}]")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (DAY, RangeKind(kind="P", label="p", period="day", minutes=30)),
        (
            "kind = 'P', label = 'p', period = 'day', start = '22:00', until = '02:00'",
            RangeKind(kind="P", label="p", period="day", start="22:00", until="02:00"),
        ),
        (
            DAY
            + ", true_open = 'close', previous_close = true, coverage = 80, expires_minutes = 9",
            RangeKind(
                kind="P",
                label="p",
                period="day",
                minutes=30,
                true_open="close",
                previous_close=True,
                coverage=80,
                expires_minutes=9,
            ),
        ),
        (
            DAY + ", levels = ['high', 'low']",
            RangeKind(kind="P", label="p", period="day", minutes=30, machine="first_touch"),
        ),
        (
            DAY + ", levels = ['low', 'high'], machine = 'first_touch'",
            RangeKind(kind="P", label="p", period="day", minutes=30, machine="first_touch"),
        ),
        (
            DAY + ", levels = ['poc', 'rpp', 'to']",
            RangeKind(kind="P", label="p", period="day", minutes=30),
        ),
        (
            "kind = 'W', period = 'week', start = '17:00', until = '17:00', true_open = 'close'",
            RangeKind(kind="W", period="week", start="17:00", until="17:00", true_open="close"),
        ),
        (
            "kind = 'W', period = 'week', until = '18:00', machine = 'first_touch', label = ''",
            RangeKind(kind="W", period="week", until="18:00", machine="first_touch"),
        ),
        ("kind = 'M', period = 'month'", RangeKind(kind="M", period="month")),
        (
            "kind = 'Y', period = 'year', start = '17:00', machine = 'first_touch'",
            RangeKind(kind="Y", period="year", start="17:00", machine="first_touch"),
        ),
        (
            "kind = 'S', period = 'session', machine = 'first_touch'",
            RangeKind(kind="S", period="session", machine="first_touch", coverage=0),
        ),
        (
            "kind = 'S', period = 'session', levels = ['high', 'low'], coverage = 50",
            RangeKind(kind="S", period="session", machine="first_touch", coverage=50),
        ),
    ],
)
def test_a_kind_is_read_as_written(table: str, expected: RangeKind) -> None:
    assert kinds_of(table) == (expected,)


@pytest.mark.parametrize(
    ("table", "key", "allowed"),
    [
        ("period = 'month'", "", "a table with kind"),
        ("kind = 'M'", "", "a table with period"),
        ("kind = '', period = 'month'", ".kind", "1 to 64 characters"),
        ("kind = 'A B', period = 'month'", ".kind", "1 to 64 characters"),
        ("kind = 'A|B', period = 'month'", ".kind", "1 to 64 characters"),
        ("kind = 1, period = 'month'", ".kind", "1 to 64 characters"),
        ("kind = 'M', period = 'hour'", ".period", '"day" or "week"'),
        ("kind = 'M', period = ['day']", ".period", '"day" or "week"'),
        ("kind = 'P', period = 'day', minutes = 30", ".label", "a label"),
        ("kind = 'P', period = 'day', label = '', minutes = 30", ".label", "a label"),
        ("kind = 'P', period = 'day', label = 'a b', minutes = 30", ".label", "1 to 64 characters"),
        ("kind = 'P', period = 'day', label = 'p'", "", "exactly one of until and minutes"),
        (DAY + ", until = '02:00'", "", "exactly one of until and minutes"),
        (DAY + ", start = '25:00'", ".start", '"HH:MM"'),
        (DAY + ", start = '24:00'", ".start", '"HH:MM"'),
        (DAY + ", start = '9:30'", ".start", '"HH:MM"'),
        (DAY + ", start = '09:60'", ".start", '"HH:MM"'),
        (DAY + ", start = 09:30:00", ".start", '"HH:MM"'),
        (DAY.replace("30", "0"), ".minutes", "1 to 1440"),
        (DAY.replace("30", "1441"), ".minutes", "1 to 1440"),
        (DAY + ", coverage = -1", ".coverage", "0 to 100"),
        (DAY + ", coverage = 101", ".coverage", "0 to 100"),
        (DAY + ", coverage = 95.5", ".coverage", "0 to 100"),
        (DAY + ", expires_minutes = 0", ".expires_minutes", "1 to 5256000"),
        (DAY + ", previous_close = 1", ".previous_close", "true or false"),
        (DAY + ", true_open = 'mid'", ".true_open", '"open" or "close"'),
        (DAY + ", machine = 'third_touch'", ".machine", '"poi" or "first_touch"'),
        (DAY + ", levels = ['high']", ".levels", '["high", "low"]'),
        (DAY + ", levels = ['high', 'high']", ".levels", '["high", "low"]'),
        (DAY + ", levels = 'high'", ".levels", '["high", "low"]'),
        (DAY + ", levels = []", ".levels", '["high", "low"]'),
        (
            DAY + ", levels = ['high', 'low'], machine = 'poi'",
            ".levels",
            '["poc", "rpp", "to"], the levels of machine poi',
        ),
        (
            DAY + ", levels = ['poc', 'rpp', 'to'], machine = 'first_touch'",
            ".levels",
            '["high", "low"], the levels of machine first_touch',
        ),
        (
            DAY + ", machine = 'first_touch', true_open = 'close'",
            ".true_open",
            "no true_open with machine first_touch",
        ),
        ("kind = 'W', period = 'week'", "", "a table with until"),
        (
            "kind = 'W', period = 'week', until = '18:00', minutes = 5",
            ".minutes",
            "no minutes for period week",
        ),
        ("kind = 'M', period = 'month', until = '18:00'", ".until", "no until for period month"),
        ("kind = 'M', period = 'month', label = 'm'", ".label", "no label for period month"),
        (
            "kind = 'Y', period = 'year', true_open = 'close'",
            ".true_open",
            "no true_open for period year",
        ),
        ("kind = 'S', period = 'session'", ".machine", '"first_touch" for period session'),
        (
            "kind = 'S', period = 'session', machine = 'poi'",
            ".machine",
            '"first_touch" for period session',
        ),
        (
            "kind = 'S', period = 'session', machine = 'first_touch', start = '18:00'",
            ".start",
            "no start for period session",
        ),
        (
            "kind = 'S', period = 'session', machine = 'first_touch', expires_minutes = 5",
            ".expires_minutes",
            "which expires at the close",
        ),
    ],
)
def test_a_kind_that_cannot_be_is_named(table: str, key: str, allowed: str) -> None:
    error = kind_refusal(table)
    assert error.key == f"templates.mine.kinds[0]{key}"
    assert allowed in error.allowed


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ("[templates.m]\nzone = 'UTC'", "templates.m", "kinds"),
        ("[templates.m]\nkinds = []", "templates.m.kinds", "one or more"),
        ("[templates.m]\nkinds = [{kind = 'M', period = 'month'}]", "templates.m", "zone"),
        ("[templates.m]\nzone = 'UTC'\nkinds = {}", "templates.m.kinds", "one or more"),
        ("[templates.m]\nzone = 'UTC'\nkinds = [1]", "templates.m.kinds[0]", "a table"),
        ("[templates.m]\nzone = 'Mars'", "templates.m.zone", "IANA time zone"),
        ("[templates.m]\nzone = 'america/new_york'", "templates.m.zone", "IANA time zone"),
        ("[templates.m]\nzone = ''", "templates.m.zone", "IANA time zone"),
        ("[templates.m]\nzone = 5", "templates.m.zone", "IANA time zone"),
        ("[templates.'a b']\nzone = 'UTC'", 'templates."a b"', "1 to 64 characters"),
    ],
)
def test_a_template_that_cannot_be_is_named(text: str, key: str, allowed: str) -> None:
    error = refusal(text)
    assert error.key == key
    assert allowed in error.allowed


def test_a_kind_comes_once_in_a_template() -> None:
    text = f"[templates.m]\nzone = 'UTC'\nkinds = [{{{DAY}}}, {{{DAY}, start = '09:00'}}]"
    error = refusal(text)
    assert error.key == "templates.m.kinds[1]"
    assert "other than those of [0]" in error.allowed


def test_one_kind_may_have_several_labels() -> None:
    assert len(kinds_of(DAY, DAY.replace("'p'", "'q'"))) == 2


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/London", "Asia/Kolkata"])
def test_zones_are_those_of_the_zone_data(zone: str) -> None:
    assert zone in time_zones()
    assert kinds_of(DAY, zone=zone)


OWN_MONTH = "[templates.m]\nzone = 'UTC'\nkinds = [{kind = 'Monthly', period = 'month'}]\n"
OWN_DAY = f"[templates.m]\nzone = 'UTC'\nkinds = [{{{DAY}}}]\n"


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        (
            "[instruments.X]\nranges = ['cme_log']",
            "instruments.X.ranges[0]",
            "cme_index, cme_long, prior_session (nearest: cme_long)",
        ),
        (
            "[instruments.default]\nranges = ['prior_session', 'x']",
            "instruments.default.ranges[1]",
            "the templates",
        ),
        (
            "[instruments.X]\nranges = ['cme_long', 'cme_long']",
            "instruments.X.ranges[1]",
            "each once",
        ),
        ("[instruments.X]\nranges = [1]", "instruments.X.ranges[0]", "a list of template names"),
        (
            "[instruments.X]\nranges = 'cme_long'",
            "instruments.X.ranges",
            "a list of template names",
        ),
        (
            "[instruments.X]\nranges = ['cme_index', 'cme_long']",
            "instruments.X.ranges[1]",
            "without the kind Weekly, which cme_index has",
        ),
        (
            OWN_MONTH + "[instruments.X]\nranges = ['m', 'cme_long']",
            "instruments.X.ranges[1]",
            "without the kind Monthly, which m has",
        ),
        (
            "[instruments.X]\nbase = '5m'\nranges = ['cme_index']",
            "instruments.X.base",
            (
                "1m with template cme_index, whose windows lie below a session;"
                " on another base use cme_long"
            ),
        ),
        (
            "[instruments.X]\nbase = '1s'\nranges = ['cme_index']",
            "instruments.X.base",
            "use cme_long",
        ),
        ("[instruments.ES]\nbase = '4h'", "instruments.ES.base", "use cme_long"),
        (
            OWN_DAY + "[instruments.X]\nbase = '30m'\nranges = ['prior_session', 'm']",
            "instruments.X.base",
            "1m with template m",
        ),
    ],
)
def test_templates_that_do_not_fit_an_instrument_are_named(
    text: str, key: str, allowed: str
) -> None:
    error = refusal(text)
    assert error.key == key
    assert allowed in error.allowed


@pytest.mark.parametrize("base", ["1s", "1m", "5m", "15m", "30m", "1h", "4h"])
def test_long_ranges_and_prior_sessions_go_with_every_base(base: str) -> None:
    text = f"[instruments.X]\nbase = '{base}'\nranges = ['cme_long', 'prior_session']"
    assert read_config(text, "f").instruments["X"].ranges == ("cme_long", "prior_session")


def test_an_instrument_has_at_most_256_kinds() -> None:
    kinds = ["{" + DAY.replace("'p'", f"'p{index}'") + "}" for index in range(256)]
    text = f"[templates.m]\nzone = 'UTC'\nkinds = [{', '.join(kinds)}]\n[instruments.X]\n"
    assert len(read_config(text + "ranges = ['m']", "f").templates["m"].kinds) == 256
    error = refusal(text + "ranges = ['m', 'prior_session']")
    assert (error.key, error.allowed) == (
        "instruments.X.ranges",
        "templates of at most 256 kinds together",
    )
