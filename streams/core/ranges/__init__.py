"""Session ranges: their windows, levels, touches, expiry, and pairs of them."""
