"""Results: rows of values, their files, and the boards (leaderboard tables) with their statistics."""
