"""Plans: against brute force and the closed form, and kept by students that are simulated."""

import numpy as np
import pytest
from kduq import families, statistics
from kduq.families import FAMILIES
from kduq.sample_size import planning
from kduq.sample_size.planning import Costs, Parts
from kduq.statistics import components as variance_components

CONFIDENCE = 0.95
MEAN = planning.squared_half_widths("mean", CONFIDENCE)
VARIANCE = planning.squared_half_widths("variance", CONFIDENCE)
COSTS = Costs(student=1.0, response=0.4, draw=0.0)
#: Noise and rest, from nearly all noise to nearly none.
PILOTS = [Parts(1.6, 0.0, 0.1), Parts(0.5, 0.0, 0.5), Parts(0.02, 0.0, 1.0), Parts(1.0, 0.0, 0.0)]


def brute_force(variance, costs, width, most_students=300, most_responses=400, most_draws=1):
    """Least cost over a grid of whole numbers."""
    s = np.arange(2, most_students + 1)[:, None, None]
    k = np.arange(1, most_responses + 1)[:, None]
    j = np.arange(1, most_draws + 1)
    total = variance.noise / k + variance.decoding / j + variance.rest
    reached = MEAN[s - 2] * total <= (width / 2) ** 2 * (1 + 1e-12)
    cost = np.where(reached, s * (costs.student + k * costs.response + j * costs.draw), np.inf)
    place = np.unravel_index(cost.argmin(), cost.shape)
    return tuple(int(i) + first for i, first in zip(place, (2, 1, 1), strict=True)), cost.min()


@pytest.mark.parametrize("variance", PILOTS)
@pytest.mark.parametrize("width", [0.4, 1.0, 3.0])
def test_the_search_finds_what_brute_force_finds(variance, width):
    found = planning.cheapest(variance, COSTS, width, MEAN)
    numbers, cost = brute_force(variance, COSTS, width)
    assert found[:3] == numbers
    assert found.cost == pytest.approx(cost)


def test_the_search_finds_draws_too():
    variance, costs = Parts(1.0, 2.0, 0.2), Costs(2.0, 0.3, 0.1)
    found = planning.cheapest(variance, costs, 0.8, MEAN)
    # Several designs cost the same.
    cost = brute_force(variance, costs, 0.8, 100, 60, 60)[1]
    assert found.cost == pytest.approx(cost)
    assert found.draws > 1


@pytest.mark.parametrize("variance", PILOTS)
def test_one_student_or_one_response_less_does_not_reach_the_width(variance):
    for width in (0.2, 0.5, 1.0):
        found = planning.cheapest(variance, COSTS, width, MEAN)

        def half(students, responses):
            total = variance.noise / responses + variance.rest
            return 2 * np.sqrt(MEAN[students - 2] * total)

        assert half(found.students, found.responses) <= width * (1 + 1e-9)
        if found.students > 2:
            assert half(found.students - 1, found.responses) > width
        if found.responses > 1:
            assert half(found.students, found.responses - 1) > width


@pytest.mark.parametrize("variance", PILOTS[:3])
def test_many_students_have_the_responses_of_the_closed_form(variance):
    costs = Costs(8.0, 0.4, 0.0)
    found = planning.cheapest(variance, costs, 0.02, MEAN)
    best = np.sqrt(variance.noise / variance.rest * costs.student / costs.response)
    assert found.students > 1000
    assert abs(found.responses - max(best, 1)) <= 1
    # No allocation, whole or not, with normal in place of Student's quantiles costs less.
    root = np.sqrt(variance.noise * costs.response) + np.sqrt(variance.rest * costs.student)
    bound = (2 * 1.959964 / 0.02) ** 2 * root**2
    assert found.cost == pytest.approx(bound, rel=0.02) or best < 1


def test_units_do_not_matter():
    one = planning.cheapest(PILOTS[0], COSTS, 0.3, MEAN)
    scaled = Parts(*(100 * v for v in PILOTS[0]))
    assert planning.cheapest(scaled, COSTS, 3.0, MEAN) == one
    dearer = planning.cheapest(PILOTS[0], Costs(*(7 * c for c in COSTS)), 0.3, MEAN)
    assert dearer[:3] == one[:3]
    assert dearer.cost == pytest.approx(7 * one.cost)
    slices = {"variance_component_total": (7.0, 8.0), "noiseless_variance": (3.0, 4.0)}
    assert planning.parts(slices, 2.0) == (1.0, 0.0, 0.75)


def test_what_cannot_be_reached_has_no_plan():
    assert planning.cheapest(PILOTS[0], COSTS, 1e-4, MEAN) is None
    assert planning.cheapest(Parts(np.nan, 0.0, 0.1), COSTS, 1.0, MEAN) is None
    assert planning.cheapest(Parts(0.0, 0.0, 0.0), COSTS, 0.1, MEAN)[:3] == (2, 1, 1)


STUDIES = 4000


@pytest.mark.parametrize("variance", PILOTS)
@pytest.mark.parametrize("width", [0.5, 1.5])
def test_planned_intervals_of_the_mean_are_as_wide_as_wanted_and_cover(variance, width):
    """Normal students: 4000 studies as planned, fixed seed."""
    found = planning.cheapest(variance, COSTS, width, MEAN)
    rng = np.random.default_rng(11)
    shape = (STUDIES, found.students)
    students = np.sqrt(variance.rest) * rng.normal(size=shape)
    noise = [rng.normal(size=shape) for _ in range(found.responses)]
    students = students + np.sqrt(variance.noise) * np.mean(noise, axis=0)
    t = np.sqrt(MEAN[found.students - 2] * found.students)
    half = t * students.std(axis=1, ddof=1) / np.sqrt(found.students)
    # The mean of 4000 squared widths: four of its standard errors.
    squared = (2 * half) ** 2
    error = 4 * squared.std() / np.sqrt(STUDIES)
    assert squared.mean() <= width**2 + error
    assert (2 * half).mean() <= width * 1.005
    # Binomial standard error 0.0034; four of them.
    assert abs((np.abs(students.mean(axis=1)) <= half).mean() - CONFIDENCE) < 0.014


def test_planned_intervals_of_the_variance_are_as_wide_as_wanted_and_cover():
    """Of normal students in one direction; the library's own intervals are a little wider."""
    width = 0.4
    found = planning.cheapest(Parts(0.0, 0.0, 1.0), COSTS, width, VARIANCE)
    assert found.responses == 1
    rng = np.random.default_rng(12)
    intervals = [
        statistics.variance(rng.normal(size=found.students), CONFIDENCE) for _ in range(500)
    ]
    widths = [found.high - found.low for found in intervals]
    assert 0.97 * width < np.mean(widths) <= width * 1.15
    covered = [found.low <= 1 <= found.high for found in intervals]
    # Two binomial standard errors of 500 intervals, 0.02, on either side of 93 to 97 %.
    assert 0.91 <= np.mean(covered) <= 0.99


def test_a_plan_at_the_upper_limits_holds_for_the_assured_share_of_pilots():
    """300 pilots of 8 × 8 students with noise and 8 without, which share initial parameters."""
    rng, names = (
        np.random.default_rng(15),
        ("full_sample_variance", "noiseless_full_sample_variance"),
    )
    held = {None: [], 0.9: []}
    exact = Parts(1.0, 0.0, 0.6)
    for _ in range(300):
        # Half of the variance without noise is lost with it, and half again comes with it.
        noise, mixed = rng.normal(size=(8, 1, 4)), rng.normal(size=(8, 8, 4))
        kept, lost = np.sqrt(0.3) * rng.normal(size=(2, 8, 4))
        noisy = np.sqrt(0.8) * noise + np.sqrt(0.5) * mixed + kept
        total = variance_components.decompose(noisy, ("noise", "initialisation"), CONFIDENCE)[0]
        without = statistics.inter_student_variance((kept + lost)[:, None], CONFIDENCE)
        slices = zip(names, (total["total"], without), strict=True)
        limits = {name: (found.value, found.high) for name, found in slices}
        for assurance, results in held.items():
            variance = planning.parts(limits, 1.0, False, CONFIDENCE, assurance)
            design = planning.cheapest(variance, COSTS, 0.5, MEAN)
            spread = exact.noise / design.responses + exact.rest
            results.append(2 * np.sqrt(MEAN[design.students - 2] * spread) <= 0.5)
    rates = {assurance: np.mean(results) for assurance, results in held.items()}
    print(rates)
    # An estimate is as often too low as too high. Three binomial standard errors are 0.05.
    assert 0.3 < rates[None] < 0.65
    assert rates[0.9] > 0.85


def model_of(name, problem, **settings):
    family = FAMILIES[name]
    return family.model("regression")(problem, family.settings(family=name, **settings))


def bootstrap(rng, number, n=45):
    return rng.multinomial(n, np.full(n, 1 / n), size=number)


def test_least_squares_students_keep_the_plan_of_their_pilot(problem):
    """Pilot, plan, and 300 studies of real students, each of k responses of its own."""
    model, rng, deviation = model_of("linear", problem), np.random.default_rng(13), 0.8
    x = np.column_stack([np.ones(45), problem.train_x])
    teacher = x @ np.linalg.lstsq(x, problem.train_y, rcond=None)[0]

    def predictions(noise, counts):
        labels = teacher + deviation * noise
        return model.fit(families.Batch(labels, np.zeros(len(labels)), counts)).test_prediction

    levels = (40, 40)
    noise, counts = rng.normal(size=(40, 45)), bootstrap(rng, 40)
    pairs = np.indices(levels).reshape(2, -1)
    values = predictions(noise[pairs[0]], counts[pairs[1]]).reshape(*levels, -1)
    noisy = variance_components.decompose(values, ("noise", "bootstrap"), CONFIDENCE)[0]["total"]
    without = predictions(np.zeros((40, 45)), counts)
    exact = statistics.inter_student_variance(without[:, None], CONFIDENCE)
    slices = {"variance_component_total": noisy, "noiseless_variance": exact}
    limits = {name: (found.value, found.high) for name, found in slices.items()}
    width = 0.4
    plan, safe = (
        planning.cheapest(planning.parts(limits, 1.0, assurance=assurance), COSTS, width, MEAN)
        for assurance in (None, 0.9)
    )
    assert safe.cost > plan.cost
    truth = teacher @ np.linalg.pinv(x).T @ np.column_stack([np.ones(15), problem.test_x]).T
    studies = 300
    for design in (plan, safe):
        number = studies * design.students
        noise = rng.normal(size=(number, design.responses, 45)).mean(axis=1)
        students = predictions(noise, bootstrap(rng, number)).reshape(studies, design.students, -1)
        t = np.sqrt(MEAN[design.students - 2] * design.students)
        half = t * students.std(axis=1, ddof=1) / np.sqrt(design.students)
        rms = np.sqrt(((2 * half) ** 2).mean())
        covered = (np.abs(students.mean(axis=1) - truth) <= half).mean()
        print(design, rms, covered)
        # Least squares on noisy labels of a linear teacher is unbiased for it. Over 15 inputs that
        # share their students, the rate's standard error is below 0.0126: two of them.
        assert abs(covered - CONFIDENCE) < 0.025
        # A pilot of 40 × 40 tells a standard deviation to about 10 %.
        assert rms <= width * (1.0 if design is safe else 1.15)
        assert rms > width * 0.6


def test_variance_between_networks_tends_to_that_without_noise_as_planned(problem):
    """Networks on all rows at one, 4 and 20 responses, and without noise."""
    model = model_of("mlp", problem, hidden=8, epochs=100, learning_rate=0.01)
    rng, levels = np.random.default_rng(14), (20, 20)
    noise = rng.normal(size=(20, 45))
    numbers = np.indices(levels).reshape(2, -1)
    factors = ("noise", "initialisation")

    def components(scale):
        labels = problem.train_y + scale * noise[numbers[0]]
        parts = []
        for first in range(0, numbers.shape[1], model.ensemble):
            rows = np.minimum(np.arange(first, first + model.ensemble), numbers.shape[1] - 1)
            parts.append(model.fit(families.Batch(labels[rows], numbers[1][rows])).test_prediction)
        values = np.concatenate(parts)[: numbers.shape[1]].reshape(*levels, -1)
        found, _ = variance_components.decompose(values.astype(float), factors, CONFIDENCE)
        return found

    pilot, without = components(1.0), components(0.0)
    slices = {
        "full_sample_variance": pilot["total"],
        "noiseless_full_sample_variance": without["total"],
    }
    limits = {name: (found.value, found.high) for name, found in slices.items()}
    variance = planning.parts(limits, 1.0, resampled=False)
    assert sum(variance) == pytest.approx(pilot["total"].value)
    for responses, tolerance in ((4, 0.2), (20, 0.1)):
        measured = components(responses**-0.5)["total"].value
        expected = variance.noise / responses + variance.rest
        print(responses, measured, expected)
        assert abs(expected / measured - 1) < tolerance
    # The components of the pilot alone do not tell the variance that is left.
    assert abs(pilot["without_noise"].value / variance.rest - 1) > 0.2
