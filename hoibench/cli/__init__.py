"""The command line: thin, and alone in printing."""
