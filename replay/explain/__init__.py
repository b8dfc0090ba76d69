"""Why an event is there, and what was known at a moment."""
