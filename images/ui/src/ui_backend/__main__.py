"""`python3 -m ui_backend`."""

import sys

from ui_backend.cli import main

sys.exit(main())
