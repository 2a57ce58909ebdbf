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


#: Folders whose tests all need a scheduler, root or a browser.
THOROUGH = {"slurm", "browser"}
#: The longest tests, which are begun first, so that no worker ends alone with one.
LONGEST = ("test_the_smoke_study", "test_a_study_killed", "test_a_study_through_slurm")


def pytest_collection_modifyitems(items):
    """Mark what `make test-all` runs alone; runs of the workflow go first, the longest at once."""
    for item in items:
        if THOROUGH & set(item.path.parts):
            item.add_marker(pytest.mark.thorough)
    items.sort(
        key=lambda item: (
            not item.name.startswith(LONGEST),
            not {"workflow", "slurm"} & set(item.path.parts),
        )
    )
