"""``python -m hoibench``, the same as the command ``hoibench``."""

from __future__ import annotations

if __name__ == "__main__":  # a worker's process imports this module again
    import sys

    from hoibench.cli.main import main

    sys.exit(main())
