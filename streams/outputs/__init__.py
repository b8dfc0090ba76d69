"""An event as a line of a file and as a message; the folder of a run."""
