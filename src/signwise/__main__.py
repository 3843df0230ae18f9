"""`python -m signwise` is the command `signwise`."""

import sys

from signwise.cli import main

sys.exit(main())
