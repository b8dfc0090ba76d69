"""A second implementation of the published view: plain loops over the whole book, as test oracle.

It shares no code with `streams.core`; clarity comes before speed.
"""

from tests.oracle.published import Plan, view
from tests.oracle.trading_days import TradingDay, trading_days

__all__ = ["Plan", "TradingDay", "trading_days", "view"]
