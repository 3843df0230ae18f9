"""`python -m signwise` is the command `signwise`."""

import sys

from signwise.cli.main import command

sys.exit(command())
