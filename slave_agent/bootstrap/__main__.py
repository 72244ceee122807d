"""`python3 -m slave_agent.bootstrap`: the same server from the package."""

from __future__ import annotations

import sys

from slave_agent.bootstrap.main import main

if __name__ == "__main__":
    sys.exit(main())
