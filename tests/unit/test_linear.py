import numpy as np
from kduq import students
from kduq.families import Batch, Problem
from kduq.families.linear import Linear


def with_intercept(x):
    return np.column_stack([np.ones(len(x)), x.astype(np.float64)])


def test_students_are_least_squares(problem):
    labels = np.random.default_rng(1).normal(size=(Linear.chunk, 45))
    found = Linear(problem, {}).train(Batch(labels, np.zeros(Linear.chunk, int)))
    exact = np.linalg.lstsq(with_intercept(problem.train_x), labels.T, rcond=None)[0]
    expected = (with_intercept(problem.test_x) @ exact).T
    np.testing.assert_allclose(found.test_prediction, expected, atol=1e-10)
    assert not found.rank_deficient.any()


def test_bootstrap_samples_equal_lstsq_also_where_rank_is_lacking(problem):
    chunk = Linear.chunk
    labels = np.random.default_rng(1).normal(size=(chunk, 45))
    counts = np.stack([students.bootstrap_counts(seed, 45, 0.12) for seed in range(chunk)])
    found = Linear(problem, {}).train(Batch(labels, np.zeros(chunk, int), counts))
    deficient = 0
    for i in range(chunk):
        rows = np.repeat(np.arange(45), counts[i].astype(int))
        design = with_intercept(problem.train_x[rows])
        exact, _, rank, _ = np.linalg.lstsq(design, labels[i, rows], rcond=None)
        assert found.rank_deficient[i] == (rank < design.shape[1])
        deficient += rank < design.shape[1]
        np.testing.assert_allclose(
            found.test_prediction[i], with_intercept(problem.test_x) @ exact, rtol=1e-5, atol=1e-6
        )
    assert 0 < deficient < chunk


def test_a_design_without_full_rank_is_flagged(problem):
    x = np.column_stack([problem.train_x, problem.train_x[:, 0]])
    test = np.column_stack([problem.test_x, problem.test_x[:, 0]])
    model = Linear(Problem(x, test, problem.train_y), {})
    labels = np.tile(problem.train_y, (model.chunk, 1))
    assert model.train(Batch(labels, np.zeros(model.chunk, int))).rank_deficient.all()
