"""``python -m studio``: the same front door as the ``esn-studio`` command."""

from __future__ import annotations

import sys

from studio.cli import main

if __name__ == "__main__":
    sys.exit(main())
