"""Empty, as a stand-in for the submodule."""
