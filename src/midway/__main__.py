# SPDX-License-Identifier: Apache-2.0
"""``python -m midway`` is the command ``midway``."""

import sys

from midway.cli import main

sys.exit(main())
