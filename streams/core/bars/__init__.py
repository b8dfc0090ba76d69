"""Derived bars: windows of base bars, and those fed by them."""
