"""`python -m coterie`."""

import sys

from coterie._cli import main

# A worker that runs this file again, to find the caller's names, does nothing.
if __name__ == "__main__":
    sys.exit(main())
