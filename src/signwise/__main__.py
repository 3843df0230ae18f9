"""`python -m signwise` is the command `signwise`."""

import sys

from signwise.cli.main import main

sys.exit(main())
