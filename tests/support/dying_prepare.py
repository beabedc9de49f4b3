"""``python -m reference_model.prepare`` that dies before renaming one of its files."""

import itertools
import os
from pathlib import Path

from reference_model.prepare import main

DIED = 9


def main_dying_at(number, arguments):
    """Run the command and end the process at the rename of this number, counted from 0."""
    steps, replace = itertools.count(), Path.replace

    def replace_or_die(*paths):
        if next(steps) == number:
            os._exit(DIED)
        return replace(*paths)

    Path.replace = replace_or_die
    return main(arguments)
