"""`python -m tiny_rag`."""

import sys

try:
    from .cli import main

    sys.exit(main())
except KeyboardInterrupt:  # while it was still being loaded
    sys.exit("interrupted")
