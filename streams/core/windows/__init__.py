"""Historical windows: a tile a session, and values over the sessions before the next one."""
