"""Code that runs in the environments of other people's code: Python 3.8, standard library only."""
