"""Comparison of training and sampling with the loops that one would write first."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The library of this checkout; nothing is installed.
sys.path.insert(0, str(ROOT / "workflow"))
