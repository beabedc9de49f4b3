"""``python -m reference_model.prepare`` that dies before renaming one of its files."""

import itertools
import os
from pathlib import Path

from reference_model.prepare import main

EXIT_KILLED = 9


def main_killed_at_rename(number, arguments):
    """Run the command and end the process at the rename of this number, counted from 0."""
    steps, replace = itertools.count(), Path.replace

    def replace_or_exit(*paths):
        if next(steps) == number:
            os._exit(EXIT_KILLED)
        return replace(*paths)

    Path.replace = replace_or_exit
    return main(arguments)
