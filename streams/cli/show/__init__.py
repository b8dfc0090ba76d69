"""What a person sees: tables, progress and texts on a terminal."""
