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


def pytest_collection_modifyitems(items):
    """Runs of the workflow first, the longest of them at once: no worker ends alone with it."""
    long = ("test_smoke_study", "test_a_study_through_slurm", "test_each_change_reruns")
    items.sort(
        key=lambda item: (
            not item.name.startswith(long),
            not {"workflow", "slurm"} & set(item.path.parts),
        )
    )
