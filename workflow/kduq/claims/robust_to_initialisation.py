"""Claim 5: small networks are robust to noise on their initial parameters."""

from collections.abc import Iterator

from kduq.claims.evidence import Evidence
from kduq.claims.hypothesis import HypothesisTest
from kduq.claims.protocol import About, Claim, Margin


def _tests(evidence: Evidence) -> Iterator[HypothesisTest]:
    for run in evidence.tabular("student_init"):
        scales = run.grid("init_noise")
        if len(scales) < 2 or scales[0] != 0:
            continue
        for metric, words in (
            ("test_mse", "mean test MSE"),
            ("variance", "inter-student variance"),
        ):
            point, draws = run.curve(metric, [{"init_noise": s} for s in (scales[0], scales[-1])])
            yield HypothesisTest.resampled(
                (5, "5", "Small networks are robust to noise on their initial parameters"),
                run.names,
                f"relative change of {words} from s = 0 to s = {scales[-1]:g}",
                (point[1:] / point[:1] - 1, draws[:, 1:] / draws[:, :1] - 1),
                "equal",
                0.0,
                evidence.margins["robust_change"],
                run.take_used(),
            )


CLAIM = Claim(
    "robust_to_initialisation",
    5,
    "5",
    ("student_init",),
    _tests,
    {"robust_change": Margin("A relative change below this counts as robust.", below=1.0)},
    about=About(
        "Noise on the initial parameters matters little for small networks, and much for "
        "language models",
        paper="small networks are robust, language models are not",
        figures=("student_init",),
    ),
)
