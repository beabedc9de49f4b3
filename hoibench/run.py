"""``python -m hoibench.run``, the same as the command ``hoibench run``."""

from __future__ import annotations

if __name__ == "__main__":  # a worker's process imports this module again
    import sys

    from hoibench.cli.run import main

    sys.exit(main())
