"""Cards of the registered data sets, in TOML: name, kind, title, and the class that implements the data set."""
