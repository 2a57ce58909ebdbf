"""Checkouts of the workflow in temporary directories."""

import os

import pytest
from checkouts import LANGUAGE, TINY, Checkout


@pytest.fixture
def checkout(tmp_path):
    copy = Checkout.make(tmp_path / "checkout")
    copy.configure(TINY)
    return copy


@pytest.fixture(scope="session")
def studies(tmp_path_factory):
    """Folder of finished studies, which all workers share."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "studies"


@pytest.fixture
def finished(tmp_path, studies):
    """A checkout with all artifacts of the tiny study."""
    return Checkout.finished(tmp_path / "finished", studies, TINY)


@pytest.fixture
def finished_language(tmp_path, studies):
    """A checkout with all artifacts of the study of language models."""
    return Checkout.finished(tmp_path / "finished_language", studies, LANGUAGE)
