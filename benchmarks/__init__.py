"""What the project is compared with: the time of the loops one would write first; the truth.

``python -m benchmarks`` compares the time of training and sampling, ``python -m
benchmarks.coverage`` the intervals of estimates with the truth of simulated studies.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The library of this checkout; nothing is installed.
sys.path.insert(0, str(ROOT / "workflow"))
