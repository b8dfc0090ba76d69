"""Why an event is there, and what was known at an instant."""
