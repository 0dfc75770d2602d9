"""`python -m tiny_rag`."""

import sys

from .cli import main

sys.exit(main())
