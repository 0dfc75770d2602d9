"""`python -m qwen_blog`."""

import sys

from .cli import main

sys.exit(main())
