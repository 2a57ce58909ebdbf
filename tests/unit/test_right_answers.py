"""What is kept of the distribution over right answers."""

import numpy as np
import pytest
from kduq.estimates.metrics.right_answers import total_variation_among_right

TRUTH = np.array([[0.5, 0.3, 0.2, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]])
RIGHT = TRUTH > 0


def distance(*rows):
    return total_variation_among_right(np.array([rows]), TRUTH, RIGHT)[0]


def test_errors_alone_lose_nothing():
    kept = [0.35, 0.21, 0.14, 0.2, 0.1]
    assert distance(kept, [0.7, 0.1, 0.1, 0.1, 0.0]) == pytest.approx([0, 0])


def test_a_student_of_one_right_answer_loses_the_others():
    # 1 - t of the answer that it learnt.
    assert distance([0.9, 0, 0, 0.1, 0], TRUTH[1])[0] == pytest.approx(0.5)
    assert distance([0, 0, 0.6, 0.4, 0], TRUTH[1])[0] == pytest.approx(0.8)


def test_a_model_without_a_right_answer_has_lost_all():
    assert distance([0, 0, 0, 0.5, 0.5], [0, 1, 0, 0, 0]) == pytest.approx([1, 1])
