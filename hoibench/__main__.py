"""``python -m hoibench``, the same as the command ``hoibench``."""

from __future__ import annotations

import sys

from hoibench.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
