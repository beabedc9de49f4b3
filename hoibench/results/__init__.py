"""Results: rows, their files, and the statistics drawn from them."""
