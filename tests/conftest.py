"""Shared by all tests: a small regression problem whose theory is known."""

import numpy as np
import pytest
from kduq import families


@pytest.fixture
def problem():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    y = x @ np.array([1.0, -2.0, 0.5, 0.0]) + 3 + rng.normal(size=60)
    return families.Problem(x[:45], x[45:], y[:45])
