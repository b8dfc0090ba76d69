"""What is kept of the past: bars inside the horizon, moments to go back to."""
