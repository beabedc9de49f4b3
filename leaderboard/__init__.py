"""The leaderboard: results of runs as a static HTML page that opens without a server."""
