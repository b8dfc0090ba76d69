"""Trading sessions of a symbol, their quality and gaps."""
