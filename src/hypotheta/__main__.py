"""`python -m hypotheta` is the command line."""

import sys

from hypotheta.cli import main

sys.exit(main())
