"""Corrections: going back, running again, publishing the difference."""
