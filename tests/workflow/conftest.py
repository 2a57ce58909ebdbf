"""A checkout of the workflow in a temporary directory."""

import pytest
from checkouts import TINY, Checkout


@pytest.fixture
def checkout(tmp_path):
    copy = Checkout.make(tmp_path / "checkout")
    copy.configure(TINY)
    return copy
