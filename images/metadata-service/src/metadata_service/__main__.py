"""Makes `python3 -m metadata_service` the program."""

import sys

from metadata_service.cli import main

sys.exit(main(sys.argv[1:]))
