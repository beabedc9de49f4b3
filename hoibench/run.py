"""``python -m hoibench.run``, the same as the command ``hoibench run``."""

from __future__ import annotations

import sys

from hoibench.cli.run import main

if __name__ == "__main__":
    sys.exit(main())
