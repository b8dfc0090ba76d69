"""Small markets for corrections: few bars, and yet sessions, ranges, touches, pairs and swings.

A book of minutes is thinned to every tenth or thirtieth one, and the ranges of its templates are
cut to match; coarser bars have ranges of weeks.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_calendar
from tests.properties.books import SLOT_WINDOWS, STARTS, WINDOWS, BookShape, make_book

MINUTE_MS = 60_000
SYMBOLS = ("A", "B")
GROUP = "TWO"

_KIND = "[[templates.{template}.kinds]]\nkind = {kind!r}\nperiod = {period!r}\n{rest}\n"


def _template(name: str, zone: str, *kinds: tuple[str, str, str]) -> str:
    """Section of a template: kind, period and the other keys of each kind."""
    text = f'[templates.{name}]\nzone = "{zone}"\n'
    for kind, period, rest in kinds:
        text += _KIND.format(template=name, kind=kind, period=period, rest=rest)
    return text.replace("'", '"')


_NEVER = 'label="{0}"\nstart="{1}"\nuntil="{2}"\ncoverage={3}'
_EXPIRING = (
    'label="{0}"\nstart="{1}"\nminutes={2}\ntrue_open="close"\ncoverage={3}\nexpires_minutes={4}'
)

EXCHANGE_DAY = _template(
    "dense",
    "America/New_York",
    ("Major", "day", _NEVER.format("am", "09:30", "10:30", 7) + "\nprevious_close=true"),
    ("Major", "day", _NEVER.format("noon", "11:00", "12:00", 0)),
    ("Minor", "day", _EXPIRING.format("m1000", "10:00", 21, 0, 1440)),
    ("Minor", "day", _EXPIRING.format("m1300", "13:00", 31, 8, 120)),
    ("Early", "day", _EXPIRING.format("e", "09:30", 31, 0, 300) + '\nmachine="first_touch"'),
).replace('true_open="close"\ncoverage=0\nexpires_minutes=300', "coverage=0\nexpires_minutes=300")

FUTURES_DAY = _template(
    "dense",
    "America/New_York",
    ("Major", "day", _NEVER.format("Asia", "18:00", "19:30", 3) + "\nprevious_close=true"),
    ("Major", "day", _NEVER.format("London", "00:00", "01:30", 0)),
    ("Major", "day", _NEVER.format("NY", "06:00", "07:30", 3)),
    ("Minor", "day", _EXPIRING.format("m1800", "18:00", 31, 0, 1440)),
    ("Minor", "day", _EXPIRING.format("m0300", "03:00", 31, 6, 1440)),
    ("Minor", "day", _EXPIRING.format("m1030", "10:30", 31, 0, 240)),
    ("Weekly", "week", 'start="18:00"\nuntil="06:00"\ncoverage=0'),
)

WEEKS = _template(
    "dense",
    "UTC",
    ("Weekly", "week", 'start="08:00"\nuntil="08:00"\ncoverage=50'),
    ("Morning", "week", 'start="20:00"\nuntil="04:00"\ncoverage=0\nexpires_minutes=4320'),
    ("Evening", "week", 'start="16:00"\nuntil="20:00"\ncoverage=90\nprevious_close=true'),
    ("Monthly", "month", 'start="16:00"\ncoverage=30'),
)


@dataclass(frozen=True)
class Market:
    """A calendar and base interval, the share of minutes that is kept, and the range templates."""

    calendar: str
    base: str
    sessions: int
    every: int = 1
    ranges: tuple[str, ...] = ("dense", "prior_session")
    template: str = ""


MARKETS = {
    "equity minutes": Market("XNYS", "1m", 5, every=10, template=EXCHANGE_DAY),
    "futures minutes": Market("CME_EQUITY", "1m", 4, every=30, template=FUTURES_DAY),
    "futures hours": Market("CME_EQUITY", "60m", 12, ranges=("cme_long", "prior_session")),
    "equity half hours": Market("XNYS", "30m", 9, ranges=("prior_session",)),
    "coin hours": Market("24/7", "60m", 9, ranges=("prior_session",)),
    "coin days": Market("24/7", "240m", 36, template=WEEKS),
}


@dataclass(frozen=True)
class PairOfBooks:
    """What a pair of books and their configuration are made from."""

    market: str
    start: str
    seed: int
    horizon: int
    step: int
    missing: float
    off_session: int
    fractional: bool
    quality: bool
    windows: bool = False

    def config(self, extra: str = "") -> Config:
        """Two symbols in one group; `extra` is more of the configuration."""
        market = MARKETS[self.market]
        ranges = str(list(market.ranges)).replace("'", '"')
        text = "".join(
            f'[instruments.{symbol}]\ntick = 0.25\ncalendar = "{market.calendar}"\n'
            f'base = "{market.base}"\nranges = {ranges}\nmax_ahead = 0\n'
            f"horizon_sessions = {self.horizon}\nquality = {str(self.quality).lower()}\n"
            for symbol in SYMBOLS
        )
        if market.every > 1:
            text += '[derived]\nintervals = ["30m", "60m", "1d", "1w"]\n'
        if self.windows:
            text += WINDOWS + SLOT_WINDOWS
        return read_config(
            f'{text}[groups]\n{GROUP} = ["A", "B"]\n{market.template}{extra}', "pair of books"
        )

    def shape(self) -> BookShape:
        """The shape of its books."""
        market = MARKETS[self.market]
        return BookShape(
            calendar=market.calendar,
            base=market.base,
            start=self.start,
            sessions=market.sessions,
            seed=self.seed,
            step=self.step,
            missing=self.missing,
            holes=0,
            lost_sessions=0,
            off_session=self.off_session,
            fractional=self.fractional,
        )

    def book(self, symbol: str) -> list[Bar]:
        """The bars of one symbol, in order of start."""
        every = MARKETS[self.market].every
        calendar = load_calendar(MARKETS[self.market].calendar)
        bars = make_book(symbol, self.shape())
        if every == 1:
            return bars
        return [
            bar
            for bar in bars
            if bar.start_ms // MINUTE_MS % every == 0
            or calendar.segment_of(calendar.session_of(bar.start_ms), bar.start_ms) < 0
        ]


@st.composite
def pairs_of_books(draw: st.DrawFn) -> PairOfBooks:
    """Books around the days on which calendars go wrong."""
    market = draw(st.sampled_from(sorted(MARKETS)))
    return PairOfBooks(
        market=market,
        start=draw(st.sampled_from(STARTS[MARKETS[market].calendar])),
        seed=draw(st.integers(0, 2**16)),
        horizon=draw(st.integers(0, 3)),
        step=draw(st.sampled_from((1, 3, 12))),
        missing=draw(st.sampled_from((0.0, 0.1))),
        off_session=draw(st.sampled_from((0, 4))),
        fractional=draw(st.booleans()),
        quality=draw(st.booleans()),
        windows=draw(st.booleans()),
    )
