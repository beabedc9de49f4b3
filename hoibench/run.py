"""``python -m hoibench.run``: the main job."""

from __future__ import annotations

import sys

from hoibench.cli.run import main

if __name__ == "__main__":
    sys.exit(main())
