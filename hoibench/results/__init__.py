"""Results: rows of values, their files, and the board with its statistics."""
