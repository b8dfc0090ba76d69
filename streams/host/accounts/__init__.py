"""Paper accounts: decisions on signals, orders, fills on base bars, positions and money.

Prices are whole ticks and money whole units of the account; numbers on the wire come last.
"""
