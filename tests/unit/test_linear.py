import numpy as np
import pytest
from kduq import students
from kduq.families import Batch, Problem, linear
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


@pytest.mark.parametrize(
    ("columns", "held"), [(6, 300), (linear._WIDEST + 1, 1 << 20), (120, 1 << 10)]
)
def test_wide_designs_and_many_rows_give_the_same_students(monkeypatch, columns, held):
    """Tables are cut where they would not fit, and many columns go another way."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(150, columns)).astype(np.float32)
    x[:, 5] = x[:, 4]
    x[:40, 5] += 1e-3
    labels = rng.normal(size=(Linear.chunk, 150))
    counts = np.ones((Linear.chunk, 150))
    counts[::2, :40] = 0  # in every second sample two columns are equal
    batch = Batch(labels, np.zeros(Linear.chunk, int), counts)
    monkeypatch.setattr(linear, "_HELD", held)
    found = Linear(Problem(x, x[:9], labels[0]), {}).train(batch)
    assert (found.rank_deficient == (np.arange(Linear.chunk) % 2 == 0)).all()
    for i in range(4):
        rows = np.flatnonzero(counts[i])
        exact = np.linalg.lstsq(with_intercept(x[rows]), labels[i, rows], rcond=None)[0]
        expected = with_intercept(x[:9]) @ exact
        np.testing.assert_allclose(found.test_prediction[i], expected, rtol=1e-4, atol=1e-6)


def test_students_are_the_same_bits_whatever_is_held_at_once(problem, monkeypatch):
    counts = np.stack([students.bootstrap_counts(seed, 45, 0.3) for seed in range(Linear.chunk)])
    labels = np.random.default_rng(1).normal(size=counts.shape)
    batch = Batch(labels, np.zeros(Linear.chunk, int), counts)
    whole = Linear(problem, {}).train(batch)
    p = 1 + problem.train_x.shape[1]
    monkeypatch.setattr(linear, "_HELD", 45 * p * (p + 1) // 2)
    cut = Linear(problem, {}).train(batch)
    np.testing.assert_array_equal(whole.test_prediction, cut.test_prediction)


def test_a_total_beside_its_parts_lacks_rank_by_either_way(problem):
    """In single precision a total differs from the sum of its parts by rounding."""
    rng = np.random.default_rng(2)
    parts = rng.normal(size=(60, 3))
    wide = np.column_stack([parts, parts[:, 0] + parts[:, 1]]).astype(np.float32)
    labels = np.tile(parts @ [1.0, 2.0, 3.0], (Linear.chunk, 1)) + rng.normal(size=(100, 60))
    batch = [labels[:, :45], np.zeros(Linear.chunk, int)]
    model = Linear(Problem(wide[:45], wide[45:], labels[0, :45]), {})
    plain, weighted = model.train(Batch(*batch)), model.train(Batch(*batch, np.ones((100, 45))))
    assert plain.rank_deficient.all()
    assert weighted.rank_deficient.all()
    narrow = Linear(Problem(parts[:45], parts[45:], labels[0, :45]), {}).train(Batch(*batch))
    for found in (plain, weighted):
        np.testing.assert_allclose(found.test_prediction, narrow.test_prediction, atol=1e-5)


def test_a_design_without_full_rank_is_flagged(problem):
    x = np.column_stack([problem.train_x, problem.train_x[:, 0]])
    test = np.column_stack([problem.test_x, problem.test_x[:, 0]])
    model = Linear(Problem(x, test, problem.train_y), {})
    labels = np.tile(problem.train_y, (model.chunk, 1))
    assert model.train(Batch(labels, np.zeros(model.chunk, int))).rank_deficient.all()
