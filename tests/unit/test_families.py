"""The registry of families: what each provides, its costs, and how a further one is written."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kduq import families
from kduq.artifacts.fingerprint import PACKAGE
from kduq.errors import UserError
from kduq.families import FAMILIES, Batch, Workload
from pydantic import TypeAdapter, ValidationError

TABLE = Workload(rows=404, columns=14, predicted=102, prompts=0, draws=0)
CORPUS = Workload(rows=0, columns=0, predicted=0, prompts=60, draws=20)
MLP = {"family": "mlp", "hidden": 16, "epochs": 200, "learning_rate": 0.01}
LM = {"family": "lm", "layers": 1, "width": 64, "heads": 4, "vocabulary": 2048, "steps": 400}
#: A family as a third party writes it: one file.
FOREST = '''
from typing import Literal
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from kduq.families import Batch, Family, Model, ModelSettings, Problem, Trained, Workload


class ForestSettings(ModelSettings):
    """Random forests."""

    family: Literal["forest"]
    trees: int = 5


class RandomForest(Model):
    ensemble = 2

    def __init__(self, problem: Problem, settings: ForestSettings) -> None:
        self.problem, self.trees = problem, settings.trees

    def fit(self, batch: Batch) -> Trained:
        students = [
            RandomForestRegressor(self.trees, random_state=int(seed) % 2**32).fit(
                self.problem.train_x, labels, None if batch.counts is None else batch.counts[i]
            )
            for i, (seed, labels) in enumerate(zip(batch.seeds, batch.labels, strict=True))
        ]
        splits = self.problem.train_x, self.problem.test_x
        return Trained(*(np.stack([student.predict(x) for student in students]) for x in splits))


FAMILY = Family(
    name="forest", label="random forest", lane="tabular", settings=ForestSettings,
    models={"regression": f"{__name__}:RandomForest"},
    seconds=lambda settings, workload: 1e-5 * settings.trees * workload.rows,
    sizes=(2, 10), factors=("noise", "initialisation", "bootstrap"), colour="#CC79A7", marker="v",
)
'''


def settings(keys):
    return TypeAdapter(families.AnyModelSettings).validate_python(keys)


def seconds(keys, workload, **changes):
    return FAMILIES[keys["family"]].seconds(settings(keys | changes), workload)


def test_costs_follow_the_work():
    one = seconds(MLP, TABLE)
    assert one == pytest.approx(200 * 404 * 24 * (1e-9 + 14 * 0.08e-9))
    assert seconds(MLP, TABLE, epochs=400) == pytest.approx(2 * one)
    assert seconds(MLP, Workload(353, 11, 89, 0, 0)) < one
    many = {"batch_size": 512, "max_steps": 300}
    small, large = Workload(4000, 785, 10_000, 0, 0), Workload(56_000, 785, 140_000, 0, 0)
    assert seconds(MLP, large, **many) == seconds(MLP, small, **many)
    assert seconds({"family": "linear"}, TABLE) < one
    pretrained = {"family": "lm", "source": "x", "steps": 400}
    assert seconds(LM, CORPUS) < seconds(pretrained, CORPUS)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_says_what_the_library_needs_of_it(name):
    kind = FAMILIES[name]
    assert kind.name == name
    assert kind.lane in ("tabular", "text")
    assert list(kind.sizes) == sorted(kind.sizes)
    for task in kind.tasks:
        # Its settings say what the model is told: the hidden units of a network, for example.
        assert kind.settings.__module__ in kind.modules(task)
        for module in kind.modules(task):
            importlib.import_module(module)
        if kind.lane == "tabular":
            assert callable(kind.model(task).fit)
            assert all(size % 2 == 0 for size in kind.sizes)


def test_networks_start_from_random_parameters_and_least_squares_do_not():
    assert FAMILIES["mlp"].has_initialisation
    assert not FAMILIES["linear"].has_initialisation


def test_a_model_alone_shares_and_records_nothing():
    network = settings(MLP | {"shared_init": True, "record_every": 5})
    assert network.alone() == settings(MLP)
    assert settings(LM).alone() == settings(LM)


def test_an_unknown_family_is_named_with_those_that_there_are():
    with pytest.raises(UserError) as caught:
        FAMILIES["mpl"]
    names = ", ".join(FAMILIES)
    assert str(caught.value) == (
        f"'mpl' is not a known family; allowed: {names}; did you mean 'mlp'?"
    )
    with pytest.raises(ValidationError, match="union_tag_invalid"):
        settings(MLP | {"family": "cnn"})


def test_settings_are_read_without_heavy_libraries():
    code = (
        "import sys, kduq.families\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'scipy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_a_new_family_is_one_file(problem, tmp_path, monkeypatch):
    Path(tmp_path / "forest.py").write_text(FOREST)
    monkeypatch.syspath_prepend(tmp_path)
    forest = importlib.import_module("forest").FAMILY
    model = forest.model("regression")(problem, forest.settings(family="forest"))
    labels = np.tile(problem.train_y, (2, 1))
    trained = model.fit(Batch(labels, np.array([1, 2]), np.ones((2, 45))))
    assert trained.test_prediction.shape == (2, 15)
    assert model.theoretical_variance(problem, "single", 1.0, 1) is None
    assert forest.modules("regression") == ("forest",)
    assert forest.seconds(forest.settings(family="forest"), TABLE) > 0
