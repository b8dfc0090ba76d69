"""What is kept of the past: bars inside the horizon, points to go back to."""
