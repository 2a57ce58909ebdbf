"""Components of variance: closed forms, another program, and coverage over simulated studies."""

import numpy as np
import pandas as pd
import pytest
from kduq.conditions import Condition
from kduq.estimates import tabular_factorial, text_factorial
from kduq.estimates.answers import Answers
from kduq.estimates.factorial import complete
from kduq.estimates.tabular import TabularRun
from kduq.experiments import EXPERIMENTS
from kduq.families.least_squares import Linear
from kduq.responses import tabular as responses
from kduq.statistics import components as variance_components
from kduq.students import labels
from kduq.students import tabular_factorial as factorial_students

STUDIES = 500
RUN = {"experiment": "decomposition", "family": "linear", "dataset": "made_up", "seed": 3}
FACTORS = ("noise", "initialisation", "bootstrap")
#: Noise, initialisation, bootstrap, their pairs, residual.
THREE = np.array([1.0, 0.5, 0.5, 0.25, 0.25, 0.1, 0.3])
#: One factor makes most of the total.
DOMINATED = np.array([1.0, 0, 0.1, 0, 0.25, 0, 0.3])
#: Noise, bootstrap, their interaction: least squares has no main effect of its sample.
TWO = np.array([1.0, 0.0, 1.0])


def design(rng, levels, variances, patterns):
    """Crossed normal effects, each a random mix of unit patterns over the inputs."""
    values = np.zeros((*levels, patterns.shape[1]))
    for term, variance in zip(variance_components.terms(len(levels)), variances, strict=True):
        shape = [n if f in term else 1 for f, n in enumerate(levels)]
        values = values + np.sqrt(variance) * rng.normal(size=(*shape, len(patterns))) @ patterns
    return values


def patterns(number, inputs=12):
    found = np.random.default_rng(1).normal(size=(number, inputs))
    return found / np.sqrt((found**2).sum(axis=0))


def test_four_factors_pool_what_is_beyond_pairs():
    factors, levels = (*FACTORS, "decoding"), (4, 3, 3, 2)  # with two: no intervals, so it is fast
    rng = np.random.default_rng(15)
    every = variance_components.terms(4)
    variances = rng.uniform(0.1, 1, len(every))
    expected = dict(zip(variance_components.names(factors), variances, strict=False))
    expected["residual"] = variances[10:].sum()
    for place, factor in enumerate(factors):
        taking_part = [place in term for term in every]
        expected[f"total_effect_{factor}"] = variances[taking_part].sum()
    for place, factor in enumerate(factors):
        taking_part = [place in term for term in every]
        expected[f"without_{factor}"] = variances[~np.array(taking_part)].sum()
    expected["total"] = variances.sum()
    found = [
        variance_components.decompose(design(rng, levels, variances, patterns(4)), factors, 0.95)[0]
        for _ in range(STUDIES)
    ]
    assert list(found[0]) == list(expected)
    for name, value in expected.items():
        estimates = np.array([study[name].value for study in found])
        error = estimates.std() / np.sqrt(STUDIES)
        # Four standard errors of the mean of 500 studies.
        assert abs(estimates.mean() - value) < 4 * error, name


def test_nested_sums_are_the_variances_of_means_within_means():
    """By simulation, against the law of total variance on very many levels."""
    levels, variances = (3, 3, 3), np.array([1.0, 0.4, 0.6, 0.3, 0.5, 0.2, 0.1])
    # Split 1; teacher of a split 0.4 + 0.3; students 0.6 + 0.5 + 0.2 + 0.1.
    expected = {"nested_split": 1.0, "nested_teacher": 0.7, "nested_students": 1.4}
    factors = ("split", "teacher", "noise")
    rng = np.random.default_rng(17)
    found, shares = zip(
        *(
            variance_components.decompose(
                design(rng, levels, variances, patterns(4)), factors, 0.95, nested=2
            )
            for _ in range(STUDIES)
        ),
        strict=True,
    )
    for name, value in expected.items():
        estimates = np.array([study[name].value for study in found])
        assert abs(estimates.mean() - value) < 4 * estimates.std() / np.sqrt(STUDIES), name
    for study in shares:
        assert sum(study[name].value for name in expected) == pytest.approx(1)
    many = design(np.random.default_rng(18), (60, 60, 60), variances, patterns(4))
    of_splits, of_teachers = many.mean(axis=(1, 2)), many.mean(axis=2)
    exact = [
        of_splits.var(axis=0).mean(),
        of_teachers.var(axis=1).mean(),
        many.var(axis=2).mean(),
    ]
    # Of 60 levels that move in four directions a variance is known to a tenth.
    np.testing.assert_allclose(exact, list(expected.values()), rtol=0.4)


@pytest.mark.parametrize("nested", [1, 2, 3])
def test_every_term_is_in_one_level_of_a_hierarchy(nested):
    levels = variance_components.nested_terms(3, nested)
    assert len(levels) == nested + 1
    assert sorted(t for level in levels for t in level) == sorted(variance_components.terms(3))
    assert levels[0] == [(0,)]
    assert not variance_components.nested_terms(3, 0)


def test_answers_have_the_components_of_their_embeddings():
    """Traces of embeddings, whatever the coordinates they are computed in."""
    rng = np.random.default_rng(16)
    levels = {"noise": 4, "initialisation": 3, "bootstrap": 3, "decoding": 3}
    shape = (*levels.values(), 5, 40)
    values = rng.normal(size=shape).astype(np.float32) + rng.normal(size=(4, 1, 1, 1, 5, 40))
    grid = np.indices(shape[:3]).reshape(3, -1)
    shuffled = rng.permutation(grid.shape[1])
    names = ("noise_level", "init_level", "bootstrap_level")
    columns = dict(zip(names, grid[:, shuffled], strict=True))
    columns["replicate"] = shuffled
    columns["diverged"] = np.zeros(grid.shape[1], bool)
    # By student, prompt and draw.
    embeddings = values.astype(np.float32).reshape(36, 3, 5, 40).transpose(0, 2, 1, 3)
    answers = Answers(np.full((36, 5, 3), "", object), embeddings, [None] * 5, np.arange(36))
    settings = text_factorial.Settings(
        **RUN | {"family": "lm"},
        confidence=0.95,
        levels=levels,
        conditions=EXPERIMENTS["decomposition"].text_conditions(None),
        prompts=5,
    )
    splits = ["train", "train", "test", "train", "test", "test", "train", "train", "train", "test"]
    table = text_factorial.estimate(settings, splits, np.arange(5) * 2 + 1, columns, answers)
    rows = pd.DataFrame(table)
    assert set(rows["group"]) == {"all", "train", "test"}
    evaluated = np.array(splits, dtype=object)[1::2]
    for group in ("all", "train", "test"):
        chosen = np.ones(5, bool) if group == "all" else evaluated == group
        part = values.astype(np.float32)[..., chosen, :].astype(np.float64)
        # A mean over dimensions is the trace over their number.
        plain = part.reshape(*shape[:4], -1) * np.sqrt(40)
        expected, shares = variance_components.decompose(plain, list(levels), 0.95)
        here = rows[(rows["group"] == group)].set_index("metric")
        for kind, truth in (("component", expected), ("share", shares)):
            for name, estimate in truth.items():
                row = here.loc[f"variance_{kind}_{name}"]
                found = row[["estimate", "ci_low", "ci_high"]].to_numpy(float)
                wanted = [estimate.value, estimate.low, estimate.high]
                np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)
                assert row["n_students"] == 36


def test_names_follow_the_terms():
    assert variance_components.names(FACTORS) == [
        "noise",
        "initialisation",
        "bootstrap",
        "noise_initialisation",
        "noise_bootstrap",
        "initialisation_bootstrap",
        "residual",
    ]
    assert variance_components.names(("noise", "bootstrap"))[-1] == "noise_bootstrap"


def test_expected_mean_squares_are_those_of_the_textbook():
    # Factors A, B, C with 4, 5 and 6 levels, all random. Columns: A, B, C, AB, AC, BC, ABC.
    table = [
        [30, 0, 0, 6, 5, 0, 1],  # A: s² + 6 AB + 5 AC + 30 A
        [0, 24, 0, 6, 0, 4, 1],  # B: s² + 6 AB + 4 BC + 24 B
        [0, 0, 20, 0, 5, 4, 1],  # C: s² + 5 AC + 4 BC + 20 C
        [0, 0, 0, 6, 0, 0, 1],  # AB: s² + 6 AB
        [0, 0, 0, 0, 5, 0, 1],  # AC: s² + 5 AC
        [0, 0, 0, 0, 0, 4, 1],  # BC: s² + 4 BC
        [0, 0, 0, 0, 0, 0, 1],  # ABC: s²
    ]
    np.testing.assert_array_equal(variance_components.expected_mean_squares((4, 5, 6)), table)


def test_mean_squares_of_two_factors_are_those_of_the_textbook():
    values = np.random.default_rng(2).normal(3, 1, size=(4, 6, 1))
    table = values[..., 0]
    rows, columns, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    expected = [
        6 * ((rows - mean) ** 2).sum() / 3,
        4 * ((columns - mean) ** 2).sum() / 5,
        ((table - rows[:, None] - columns + mean) ** 2).sum() / 15,
    ]
    np.testing.assert_allclose(variance_components.mean_squares(values), expected)


def test_components_agree_with_another_program():
    rng = np.random.default_rng(12)
    values = np.zeros((4, 5, 6))
    for shape, deviation in (
        ((4, 1, 1), 2),
        ((1, 5, 1), 1.5),
        ((1, 1, 6), 1.5),
        ((4, 5, 1), 1),
        ((4, 1, 6), 1),
        ((1, 5, 6), 1),
        ((4, 5, 6), 0.7),
    ):
        values = values + deviation * rng.normal(size=shape)
    values = np.round(values, 2)
    # statsmodels 0.14.5; with balanced data and positive components REML gives those of moments:
    # a, b, c = np.indices(values.shape)
    # d = pandas.DataFrame({"y": values.ravel(), "a": a.ravel(), "b": b.ravel(), "c": c.ravel()})
    # d = d.assign(ab=10 * d.a + d.b, ac=10 * d.a + d.c, bc=10 * d.b + d.c, one=1)
    # vc = {name: f"0 + C({name})" for name in ("a", "b", "c", "ab", "ac", "bc")}
    # fit = MixedLM.from_formula("y ~ 1", d, groups="one", re_formula="0", vc_formula=vc).fit(
    #     reml=True, method=["lbfgs", "powell"], gtol=1e-10, ftol=1e-14, maxiter=5000)
    # fit.vcomp (in the order a, ab, ac, b, bc, c), fit.scale
    reference = [0.172856, 4.903901, 1.824025, 0.516010, 0.442777, 1.057612, 0.479199]
    np.testing.assert_allclose(
        variance_components.components(values[..., None]), reference, rtol=5e-4
    )


@pytest.mark.parametrize(("levels", "variances"), [((4, 5, 6), THREE), ((5, 7), TWO)])
def test_components_are_unbiased_with_few_levels(levels, variances):
    rng = np.random.default_rng(3)
    found = np.array(
        [
            variance_components.components(design(rng, levels, variances, patterns(4)))
            for _ in range(STUDIES)
        ]
    )
    # Means of 500 studies; four standard errors of each.
    error = 4 * found.std(axis=0) / np.sqrt(STUDIES)
    assert (np.abs(found.mean(axis=0) - variances) < error).all()
    assert (found[:, variances == 0] < 0).any() or variances.all()


def coverage(rng, truth, names, study):
    """Share of intervals that hold the truth: of components, total effects, total, and shares."""
    every = variance_components.terms(len(names))
    effects = np.array([truth[[f in term for term in every]].sum() for f in range(len(names))])
    total = truth.sum()
    truth = np.array([*truth, *effects, *(total - effects)])
    covered = []
    for _ in range(STUDIES):
        components, shares = variance_components.decompose(study(rng), names, 0.95)
        pairs = [*zip(components.values(), [*truth, total], strict=True)]
        pairs += [*zip(shares.values(), truth / total, strict=True)]
        covered.append([e.low <= value <= e.high for e, value in pairs])
    return np.mean(covered, axis=0)


def test_intervals_cover_where_inputs_vary_in_four_ways():
    levels = (8, 8, 8)
    rates = coverage(
        np.random.default_rng(5), THREE, FACTORS, lambda r: design(r, levels, THREE, patterns(4))
    )
    print(np.round(rates, 3))
    # Binomial standard error of 500 intervals at 95 %: 0.0097; three of them below.
    assert (rates > 0.92).all()
    assert (rates[:3] < 0.99).all()
    # Interactions are counted once a factor: conservative.
    assert (rates[3:7] > 0.97).all()


@pytest.mark.parametrize("variances", [THREE, DOMINATED])
def test_intervals_cover_where_all_inputs_move_together(variances):
    levels = (8, 8, 8)
    rates = coverage(
        np.random.default_rng(6),
        variances,
        FACTORS,
        lambda r: design(r, levels, variances, patterns(1)),
    )
    print(np.round(rates, 3))
    # A variance from eight draws alone: two binomial standard errors, 0.02, below 93 %.
    assert (rates > 0.91).all()


@pytest.fixture
def samples(problem):
    """Bootstrap samples' least squares: each maps labels to predictions of test rows."""
    rng = np.random.default_rng(7)
    x = np.column_stack([np.ones(45), problem.train_x]).astype(float)
    z = np.column_stack([np.ones(15), problem.test_x]).astype(float)
    maps = np.empty((3000, 15, 45))
    for i in range(len(maps)):
        counts = np.bincount(rng.integers(0, 45, 45), minlength=45)
        maps[i] = z @ np.linalg.pinv((x.T * counts) @ x) @ (x.T * counts)
    return maps


def closed_form(maps):
    """Components of least squares with unit noise: P_b e has mean zero whatever b.

    Noise: mean diag of E[P] E[P]ᵀ. Bootstrap: 0. Interaction: the rest of mean diag E[P Pᵀ].
    """
    total = (maps**2).sum(axis=2).mean()
    noise = (maps.mean(axis=0) ** 2).sum(axis=1).mean()
    # Unbiased: the mean over finitely many maps varies by what they differ over their number.
    noise -= (total - noise) / (len(maps) - 1)
    return np.array([noise, 0.0, total - noise])


def test_intervals_cover_for_least_squares_on_bootstrap_samples(samples):
    truth = closed_form(samples)

    def study(rng):
        maps = samples[rng.integers(0, len(samples), 12)]
        return np.einsum("bzn,an->abz", maps, rng.normal(size=(12, 45)))

    rates = coverage(np.random.default_rng(8), truth, ("noise", "bootstrap"), study)
    print(np.round(rates, 3))
    assert (rates > 0.92).all()


def factorial(problem, alphas, levels=(30, 30)):
    run = RUN | {"start": 0, "stop": levels[0]}
    drawn = responses.Settings(**run, responses=1, noisy=True, factor="noise")
    noise = responses.sample(drawn, 45)["noise"]
    x = np.column_stack([np.ones(45), problem.train_x])
    teacher = x @ np.linalg.lstsq(x, problem.train_y, rcond=None)[0]
    settings = factorial_students.Settings(
        **run,
        task="regression",
        model={"family": "linear"},
        conditions=[Condition(alpha=alpha) for alpha in alphas],
        divergence_factor=10,
        levels={"bootstrap": levels[1]},
    )
    return factorial_students.train(
        settings,
        labels.DistillationData(problem, np.zeros(15), teacher),
        noise[:, None],
        lambda number: None,
    )


def estimated(problem, table, alphas, levels=(30, 30)):
    settings = tabular_factorial.Settings(
        **RUN,
        task="regression",
        confidence=0.95,
        conditions=[Condition(alpha=alpha) for alpha in alphas],
        levels={"bootstrap": levels[1], "noise": levels[0]},
    )
    columns = {name: np.asarray(values) for name, values in table.items()}
    groups = [np.flatnonzero(columns["alpha"] == alpha) for alpha in alphas]
    run = TabularRun(problem, None, None, columns, groups)
    rows = tabular_factorial.estimate(settings, run)
    return {
        metric: (value, se)
        for metric, value, se in zip(rows["metric"], rows["estimate"], rows["se"], strict=True)
    }


def test_students_have_the_components_of_the_closed_form(problem, samples):
    found = estimated(problem, factorial(problem, (0.5, 0.0)), (0.5, 0.0))
    exact = 0.5 * problem.train_y.var() * closed_form(samples)
    names = variance_components.names(("noise", "bootstrap"))
    for name, value in zip(names, exact, strict=True):
        estimate, se = found[f"variance_component_{name}"]
        assert abs(estimate - value) < 4 * se, name
    without = Linear.theoretical_variance(problem, "single", 0.5 * problem.train_y.var(), 1)
    # Averaging over samples comes near to the full sample.
    assert abs(found["variance_component_noise"][0] / without - 1) < 0.5
    # On all rows the closed form, without error; of noiseless labels nothing is left.
    assert found["full_sample_variance"] == (without, 0)
    assert found["noiseless_full_sample_variance"] == (0, 0)
    assert found["noiseless_variance"] == (0, 0)


def test_without_full_rank_the_variance_without_noise_is_that_of_the_students(problem):
    table = factorial(problem, (0.5, 0.0))
    noiseless = np.flatnonzero(np.array(table["alpha"]) == 0)
    table["rank_deficient"][noiseless[0]] = True
    predictions = table["prediction"][noiseless[:-1]].astype(float)
    predictions[0] = table["prediction"][noiseless[0]] = 1.0
    found = estimated(problem, table, (0.5, 0.0))
    expected = predictions.var(axis=0, ddof=1).mean()
    assert expected > 1e-3
    np.testing.assert_allclose(found["noiseless_variance"][0], expected, rtol=1e-6)


def test_variances_of_networks_are_those_of_their_students(problem):
    """By hand from the rows of the table, with noise and without, on samples and on all rows."""
    alphas, levels = (0.5, 0.0), {"noise": 4, "initialisation": 5, "bootstrap": 3}
    run = RUN | {"family": "mlp"}
    noise = np.random.default_rng(4).normal(size=(4, 1, 45))
    conditions = [Condition(alpha=alpha) for alpha in alphas]
    settings = factorial_students.Settings(
        **run,
        start=0,
        stop=4,
        task="regression",
        model={"family": "mlp", "hidden": 4, "epochs": 3, "learning_rate": 0.1},
        conditions=conditions,
        divergence_factor=1e6,
        levels={"initialisation": 5, "bootstrap": 3},
    )
    data = labels.DistillationData(problem, np.zeros(15), problem.train_y)
    table = factorial_students.train(settings, data, noise, lambda number: None)
    columns = {name: np.asarray(values) for name, values in table.items()}
    groups = [np.flatnonzero(columns["alpha"] == alpha) for alpha in alphas]
    settings = tabular_factorial.Settings(
        **run, task="regression", confidence=0.95, conditions=conditions, levels=levels
    )
    rows = tabular_factorial.estimate(settings, TabularRun(problem, None, None, columns, groups))
    assert set(rows["alpha"]) == {0.5}
    found = dict(zip(rows["metric"], rows["estimate"], strict=True))
    noisy, noiseless = (columns["prediction"][group].astype(float) for group in groups)
    noisy, noiseless = noisy.reshape(4, 5, 4, -1), noiseless.reshape(5, 4, -1)

    def total(values):
        return variance_components.components(values).sum()

    expected = {
        "variance_component_total": total(noisy[:, :, :3]),
        "noiseless_variance": total(noiseless[:, :3]),
        "full_sample_variance": total(noisy[:, :, 3]),
        "noiseless_full_sample_variance": noiseless[:, 3].var(axis=0, ddof=1).mean(),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, err_msg=name)
    assert found["diverged_count"] == 0
    assert max(rows["n_students"]) == 4 * 5 * 4 + 5 * 4


def test_noiseless_labels_leave_nothing(problem):
    found = estimated(problem, factorial(problem, (0.0,)), (0.0,))
    for name in ("noise", "bootstrap", "noise_bootstrap", "total"):
        assert abs(found[f"variance_component_{name}"][0]) < 1e-9


def test_levels_with_diverged_students_are_left_out():
    good = np.ones((4, 5, 3), bool)
    good[1, 2, 0] = good[1, 3, 2] = False
    values = np.arange(60.0).reshape(4, 5, 3, 1)
    left = complete(values, good)
    np.testing.assert_array_equal(left, np.delete(values, 1, axis=0))
    assert complete(values, np.zeros_like(good)).size == 0
    table, _ = variance_components.decompose(np.zeros((0, 5, 3, 1)), FACTORS, 0.95)
    assert np.isnan(table["total"].value)


def test_an_interval_needs_three_levels():
    values = design(np.random.default_rng(9), (2, 4, 4), THREE, patterns(2))
    table, _ = variance_components.decompose(values, FACTORS, 0.95)
    assert np.isfinite(table["noise"].value)
    assert np.isnan(table["noise"].low)
