"""Data set specs as TOML files: name, kind, title and the class that opens it."""
