"""``python -m brain_bundles``: see :mod:`brain_bundles.cli`."""

import sys

from brain_bundles.cli import main

sys.exit(main())
