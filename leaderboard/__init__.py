"""The leaderboard: results of runs as a static page that opens without a server."""
