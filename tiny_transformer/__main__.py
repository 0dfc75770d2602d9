"""`python -m tiny_transformer`."""

import sys

from .cli import main

sys.exit(main())
