"""The grammar of paths below a study's folder."""

import pytest
from kduq.study import paths
from kduq.study.paths import RunKey

KEY = RunKey("bootstrap", "mlp", "houses")


def test_paths_below_a_study_are_understood():
    path = "results/tiny/bootstrap/mlp/houses/students/000000-000010.parquet"
    assert paths.study_root(path) == "results/tiny"
    assert paths.run_of(path) == KEY
    assert f"results/tiny/{KEY.file('students', (0, 10))}" == path


@pytest.mark.parametrize("path", [KEY.file("students", (0, 10)), KEY.file("estimates")])
def test_the_run_of_what_a_run_makes_is_the_run(path):
    assert paths.run_of(path) == KEY
