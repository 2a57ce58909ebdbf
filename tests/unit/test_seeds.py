import subprocess
import sys

import numpy as np
from kduq import seeds

RUN = ("teacher_noise", "linear", "boston_housing")


def test_replicates_runs_and_roles_have_streams_of_their_own():
    made = [seeds.replicate_seed(1, RUN, r) for r in range(2000)]
    made += [seeds.replicate_seed(1, ("bootstrap", *RUN[1:]), r) for r in range(2000)]
    made += [seeds.replicate_seed(2, RUN, r) for r in range(2000)]
    assert len(set(made)) == len(made)
    draws = [
        seeds.generator(made[0], role, index).standard_normal()
        for role in seeds.ROLES
        for index in range(50)
    ]
    assert len(set(draws)) == len(draws)


def test_seeds_do_not_depend_on_the_process():
    code = f"from kduq import seeds; print(seeds.replicate_seed(1, {RUN!r}, 3))"
    path = seeds.__file__.rsplit("/kduq/", 1)[0]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": path, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert outputs == {f"{seeds.replicate_seed(1, RUN, 3)}\n"}


def test_neighbouring_streams_are_uncorrelated():
    a, b = (
        seeds.generator(seeds.replicate_seed(0, RUN, r), "noise").standard_normal(20000)
        for r in (0, 1)
    )
    # The correlation of independent draws has a standard error of 1/sqrt(20000) = 0.007.
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
