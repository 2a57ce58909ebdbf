import numpy as np
import pytest
from kduq.families import Batch, Problem, least_squares
from kduq.families.least_squares import Linear


@pytest.fixture(params=["compiled", "numpy"])
def way(request, monkeypatch):
    """Students on bootstrap samples are fitted either way."""
    if request.param == "numpy":
        monkeypatch.setattr(least_squares, "_library", lambda: None)
    elif least_squares._library() is None:
        pytest.skip("no C++ compiler")


def bootstrap_counts(seed, n, fraction):
    rows = np.random.default_rng(seed).integers(0, n, size=round(fraction * n))
    return np.bincount(rows, minlength=n).astype(np.uint16)


def with_intercept(x):
    return np.column_stack([np.ones(len(x)), x.astype(np.float64)])


def test_students_are_least_squares(problem):
    labels = np.random.default_rng(1).normal(size=(Linear.ensemble, 45))
    trained = Linear(problem).fit(Batch(labels, np.zeros(Linear.ensemble, int)))
    exact = np.linalg.lstsq(with_intercept(problem.train_x), labels.T, rcond=None)[0]
    expected = (with_intercept(problem.test_x) @ exact).T
    np.testing.assert_allclose(trained.test_prediction, expected, atol=1e-10)
    assert not trained.rank_deficient.any()


@pytest.mark.usefixtures("way")
def test_bootstrap_samples_equal_lstsq_also_where_rank_is_lacking(problem):
    size = Linear.ensemble
    labels = np.random.default_rng(1).normal(size=(size, 45))
    counts = np.stack([bootstrap_counts(seed, 45, 0.12) for seed in range(size)])
    trained = Linear(problem).fit(Batch(labels, np.zeros(size, int), counts))
    deficient = 0
    for i in range(size):
        rows = np.repeat(np.arange(45), counts[i].astype(int))
        design = with_intercept(problem.train_x[rows])
        exact, _, rank, _ = np.linalg.lstsq(design, labels[i, rows], rcond=None)
        assert trained.rank_deficient[i] == (rank < design.shape[1])
        deficient += rank < design.shape[1]
        np.testing.assert_allclose(
            trained.test_prediction[i], with_intercept(problem.test_x) @ exact, rtol=1e-5, atol=1e-6
        )
    assert 0 < deficient < size


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("columns", "size"), [(6, 300), (least_squares._WIDEST + 1, 1 << 20), (120, 1 << 10)]
)
def test_wide_designs_and_many_rows_give_the_same_students(monkeypatch, columns, size):
    """Tables are cut where they would not fit, and many columns go another way."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(150, columns)).astype(np.float32)
    x[:, 5] = x[:, 4]
    x[:40, 5] += 1e-3
    labels = rng.normal(size=(Linear.ensemble, 150))
    counts = np.ones((Linear.ensemble, 150))
    counts[::2, :40] = 0  # in every second sample two columns are equal
    batch = Batch(labels, np.zeros(Linear.ensemble, int), counts)
    monkeypatch.setattr(least_squares, "_TABLE", size)
    monkeypatch.setattr(least_squares, "_PANEL", size)
    trained = Linear(Problem(x, x[:9], labels[0])).fit(batch)
    assert (trained.rank_deficient == (np.arange(Linear.ensemble) % 2 == 0)).all()
    for i in range(4):
        rows = np.flatnonzero(counts[i])
        exact = np.linalg.lstsq(with_intercept(x[rows]), labels[i, rows], rcond=None)[0]
        expected = with_intercept(x[:9]) @ exact
        np.testing.assert_allclose(trained.test_prediction[i], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(least_squares._library() is None, reason="no C++ compiler")
@pytest.mark.parametrize("n", [3, 64, 405])
@pytest.mark.parametrize("columns", [1, 2, 10, 13, 40, least_squares._WIDEST - 1])
def test_compiled_students_are_those_of_numpy_within_rounding(columns, n, monkeypatch):
    """Widths and row numbers that leave a remainder in every loop."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(n + 101, columns)).astype(np.float32)
    monkeypatch.setattr(least_squares, "_PANEL", 1 << 14)
    model = Linear(Problem(x[:n], x[n:], x[:n, 0]))
    counts = rng.multinomial(n, np.full(n, 1 / n), size=Linear.ensemble).astype(np.uint16)
    labels = rng.normal(size=counts.shape)
    batch = Batch(labels, np.zeros(Linear.ensemble, int), counts)
    trained = model.fit(batch)
    _, *plain = model._in_double.fit(labels, counts)
    monkeypatch.setattr(least_squares, "_library", lambda: None)
    expected = model.fit(batch)
    np.testing.assert_array_equal(trained.rank_deficient, expected.rank_deficient)
    full = ~expected.rank_deficient
    assert full.any() or n <= columns + 1
    theirs = expected.train_prediction[full], expected.test_prediction[full]
    scales = [np.abs(a).max(axis=1, initial=1)[:, None] for a in theirs]
    for ours, limit, usual in (
        ((trained.train_prediction, trained.test_prediction), 1e-5, 1e-6),
        (plain, 1e-7, 1e-13),  # in double precision
    ):
        for mine, other, scale in zip(ours, theirs, scales, strict=True):
            difference = np.abs(mine[full] - other) / scale
            assert (difference < limit).all()
            # A sample that nearly lacks rank multiplies rounding.
            assert np.median(difference) < usual if full.any() else True


@pytest.fixture
def nearly_lacking():
    """Two samples of rows among which a column is all but constant, one of all rows."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(400, 5))
    x[:200, 2] = 1 + 1e-4 * rng.normal(size=200)
    counts = np.where(
        np.arange(400) < 200, rng.multinomial(1, [0.5, 0.5], size=(3, 400))[..., 0], 0
    )
    counts[1] = 1
    labels = rng.normal(size=counts.shape) + 1e4 * x[:, 2]
    return Problem(x, x[:200], labels[0]), labels, counts


def departure(nearly_lacking):
    """Of predictions on rows like the sample's, the largest distance from `numpy.linalg.lstsq`."""
    problem, labels, counts = nearly_lacking
    trained = Linear(problem).fit(Batch(labels, np.arange(3), counts))
    distances = []
    for i in range(3):
        rows = np.repeat(np.arange(400), counts[i])
        design = with_intercept(problem.train_x)
        exact = np.linalg.lstsq(design[rows], labels[i, rows], rcond=None)[0]
        distances.append(np.abs(trained.train_prediction[i] - design @ exact).max() / 1e4)
    return np.array(distances)


@pytest.mark.usefixtures("way")
def test_a_sample_that_nearly_lacks_rank_is_fitted_in_double_precision(nearly_lacking):
    assert (departure(nearly_lacking) < [1e-5, 1e-5, 1e-5]).all()


@pytest.mark.skipif(least_squares._library() is None, reason="no C++ compiler")
def test_such_a_sample_needs_double_precision(nearly_lacking, monkeypatch):
    monkeypatch.setattr(least_squares, "_EVEN", np.inf)
    uneven, even, _ = departure(nearly_lacking)
    assert even < 1e-5 < uneven


@pytest.mark.skipif(least_squares._library() is None, reason="no C++ compiler")
@pytest.mark.parametrize("fraction", [0.3, 5.0])
def test_a_compiled_student_does_not_depend_on_who_is_trained_beside_it(problem, fraction):
    """Not on whether others need double precision either."""
    size = Linear.ensemble
    counts = np.stack([bootstrap_counts(seed, 45, fraction) for seed in range(size)])
    counts[6] = 0
    counts[6, :3] = 9
    labels = np.random.default_rng(1).normal(size=counts.shape)
    model = Linear(problem)
    many = model.fit(Batch(labels, np.zeros(size, int), counts))
    for part in (slice(5, 8), slice(7, 8)):
        few = model.fit(Batch(labels[part], np.zeros(3, int), counts[part]))
        np.testing.assert_array_equal(many.train_prediction[part], few.train_prediction)
        np.testing.assert_array_equal(many.test_prediction[part], few.test_prediction)


@pytest.mark.usefixtures("way")
def test_lack_of_rank_is_found_among_very_many_rows():
    """Sums of so many products round by more than the cut, if one is added to the next."""
    rng = np.random.default_rng(2)
    n = 200_000
    x = np.eye(3)[rng.integers(0, 3, n)]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=8).astype(float)
    labels = rng.normal(size=counts.shape)
    trained = Linear(Problem(x, x[:5], labels[0])).fit(Batch(labels, np.arange(8), counts))
    assert trained.rank_deficient.all()


def test_arrays_that_do_not_fit_are_no_students(problem):
    counts = np.ones((3, 45))
    with pytest.raises(ValueError, match=r"45|broadcast"):
        Linear(problem).fit(Batch(counts[:, :40], np.arange(3), counts))
    for wrong in (0.5, -1, 70_000):
        with pytest.raises(ValueError, match="whole numbers from 0 to 65,535"):
            Linear(problem).fit(Batch(counts, np.arange(3), counts * wrong))


@pytest.mark.usefixtures("way")
def test_a_split_may_have_no_test_rows(problem):
    counts = np.ones((2, 45), np.uint16)
    model = Linear(Problem(problem.train_x, problem.test_x[:0], problem.train_y))
    trained = model.fit(Batch(np.ones((2, 45)), np.arange(2), counts))
    assert trained.test_prediction.shape == (2, 0)
    np.testing.assert_allclose(trained.train_prediction, 1, rtol=1e-6)


def nearly_equal_columns(distance):
    """Columns 4 and 5 differ by so much among training rows, and by far more among test rows."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=(540, 13))
    x[:500, 5] = x[:500, 4] + distance * x[:500, 5]
    labels = rng.normal(size=(Linear.ensemble, 500))
    counts = np.stack([bootstrap_counts(s, 500, 1.0) for s in range(Linear.ensemble)])
    x = (x - x[:500].mean(axis=0)) / x[:500].std(axis=0)
    return Problem(x[:500], x[500:], labels[0]), Batch(
        labels, np.zeros(Linear.ensemble, int), counts
    )


@pytest.mark.skipif(least_squares._library() is None, reason="no C++ compiler")
@pytest.mark.parametrize("distance", [1e-7, 1.2e-6, 1.5e-6, 1e-3])
def test_whether_rank_is_lacking_is_found_alike_either_way(distance, monkeypatch):
    problem, batch = nearly_equal_columns(distance)
    trained = Linear(problem).fit(batch)
    monkeypatch.setattr(least_squares, "_library", lambda: None)
    expected = Linear(problem).fit(batch)
    np.testing.assert_array_equal(trained.rank_deficient, expected.rank_deficient)
    assert expected.rank_deficient.all() == (distance == 1e-7)
    np.testing.assert_allclose(trained.train_prediction, expected.train_prediction, atol=1e-5)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("distance", [1e-4, 1e-2])
def test_far_test_rows_do_not_multiply_rounding(distance):
    """In the direction that training rows hardly have, where labels say nothing."""
    problem, batch = nearly_equal_columns(distance)
    truth = np.arange(14.0)
    labels = np.tile(with_intercept(problem.train_x) @ truth, (Linear.ensemble, 1))
    trained = Linear(problem).fit(Batch(labels, batch.seeds, batch.counts))
    expected = np.tile(with_intercept(problem.test_x) @ truth, (Linear.ensemble, 1))
    np.testing.assert_allclose(trained.test_prediction, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("way")
def test_a_label_that_is_not_drawn_says_nothing(problem):
    labels, counts = np.random.default_rng(1).normal(size=(2, 45)), np.ones((2, 45))
    counts[:, 7] = 0
    broken = labels.copy()
    broken[0, 7] = np.nan
    trained, expected = (
        Linear(problem).fit(Batch(own, np.arange(2), counts)) for own in (broken, labels)
    )
    np.testing.assert_array_equal(trained.test_prediction, expected.test_prediction)


@pytest.mark.usefixtures("way")
def test_a_sample_with_a_label_that_is_no_number_harms_no_other(problem):
    labels = np.random.default_rng(1).normal(size=(Linear.ensemble, 45))
    counts = np.ones_like(labels)
    batch = [np.zeros(Linear.ensemble, int), counts]
    clean = Linear(problem).fit(Batch(labels, *batch))
    broken = labels.copy()
    broken[3, 7] = np.nan
    trained = Linear(problem).fit(Batch(broken, *batch))
    assert np.isnan(trained.test_prediction[3]).all()
    others = np.arange(Linear.ensemble) != 3
    np.testing.assert_array_equal(trained.test_prediction[others], clean.test_prediction[others])


def test_students_are_the_same_bits_whatever_is_held_at_once(problem, monkeypatch):
    monkeypatch.setattr(least_squares, "_library", lambda: None)
    counts = np.stack([bootstrap_counts(seed, 45, 0.3) for seed in range(Linear.ensemble)])
    labels = np.random.default_rng(1).normal(size=counts.shape)
    batch = Batch(labels, np.zeros(Linear.ensemble, int), counts)
    whole = Linear(problem).fit(batch)
    p = 1 + problem.train_x.shape[1]
    monkeypatch.setattr(least_squares, "_TABLE", 45 * p * (p + 1) // 2)
    cut = Linear(problem).fit(batch)
    np.testing.assert_array_equal(whole.test_prediction, cut.test_prediction)


@pytest.mark.usefixtures("way")
def test_a_total_beside_its_parts_lacks_rank_by_either_way(problem):
    """In single precision a total differs from the sum of its parts by rounding."""
    rng = np.random.default_rng(2)
    parts = rng.normal(size=(60, 3))
    wide = np.column_stack([parts, parts[:, 0] + parts[:, 1]]).astype(np.float32)
    labels = np.tile(parts @ [1.0, 2.0, 3.0], (Linear.ensemble, 1)) + rng.normal(
        size=(Linear.ensemble, 60)
    )
    batch = [labels[:, :45], np.zeros(Linear.ensemble, int)]
    model = Linear(Problem(wide[:45], wide[45:], labels[0, :45]))
    plain, weighted = (
        model.fit(Batch(*batch)),
        model.fit(Batch(*batch, np.ones((Linear.ensemble, 45)))),
    )
    assert plain.rank_deficient.all()
    assert weighted.rank_deficient.all()
    narrow = Linear(Problem(parts[:45], parts[45:], labels[0, :45])).fit(Batch(*batch))
    for trained in (plain, weighted):
        np.testing.assert_allclose(trained.test_prediction, narrow.test_prediction, atol=1e-5)


def test_a_design_without_full_rank_is_flagged(problem):
    x = np.column_stack([problem.train_x, problem.train_x[:, 0]])
    test = np.column_stack([problem.test_x, problem.test_x[:, 0]])
    model = Linear(Problem(x, test, problem.train_y))
    labels = np.tile(problem.train_y, (model.ensemble, 1))
    assert model.fit(Batch(labels, np.zeros(model.ensemble, int))).rank_deficient.all()
