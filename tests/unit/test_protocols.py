"""The examples of every protocol run: they are where whoever adds something begins."""

import doctest
import importlib

import pytest

#: Class that says what a thing of its kind provides, by its module.
PROTOCOLS = {
    "kduq.families.protocol": ("Model", "Family"),
    "kduq.experiments.protocol": ("Experiment",),
    "kduq.data.datasets.protocol": ("DataSet",),
    "kduq.data.corpora.protocol": ("CorpusKind",),
    "kduq.claims.protocol": ("Claim",),
    "kduq.figures.protocol": ("FigureKind",),
    "kduq.estimates.metrics.protocol": ("Metric",),
    "kduq.targets.methods.protocol": ("Method",),
}


def examples_of(module):
    """Doctests of a module by the object that they stand in."""
    found = importlib.import_module(module)
    return {test.name: test for test in doctest.DocTestFinder().find(found, module)}


def run(test):
    """Failures, and lines of the test that ran."""
    output = []
    results = doctest.DocTestRunner().run(test, out=output.append)
    return results, "".join(output)


@pytest.mark.parametrize("module", PROTOCOLS)
def test_every_example_in_a_protocol_runs(module):
    for test in examples_of(module).values():
        results, output = run(test)
        assert results.failed == 0, output


@pytest.mark.parametrize(
    ("module", "name"), [(m, name) for m, names in PROTOCOLS.items() for name in names]
)
def test_every_protocol_has_an_example_that_ran(module, name):
    results, output = run(examples_of(module)[f"{module}.{name}"])
    assert results.attempted >= 1, f"{module}.{name} has no example that runs"
    assert results.failed == 0, output


def test_every_protocol_of_the_library_is_among_them():
    root = importlib.import_module("kduq.artifacts.fingerprint").PACKAGE
    paths = (path.relative_to(root.parent).with_suffix("") for path in root.rglob("protocol.py"))
    assert {".".join(path.parts) for path in paths} == set(PROTOCOLS)
