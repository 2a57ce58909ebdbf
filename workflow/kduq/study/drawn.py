"""What a study draws: its figures, and what each is drawn from."""

from itertools import product
from pathlib import Path

from kduq.artifacts.files import digest
from kduq.artifacts.fingerprint import PACKAGE
from kduq.study.planned import Job
from kduq.study.runs import Runs

#: Figures of an experiment that has not one of its own name alone.
_FIGURES = {"student_output": ("student_output", "student_output_responses")}
#: Modules that draw a figure, other than kduq.figures.experiments.
_DRAWN_BY = {"decomposition": "kduq.figures.decomposition"}
#: Experiments by how well their students show what one answer a prompt does.
_GALLERY_ORDER = (
    "student_output",
    "teacher_noise",
    "variance_aware",
    "student_init",
    "bootstrap",
)
_STYLE = PACKAGE / "figures" / "kduq.mplstyle"


def figures_of(experiment: str) -> tuple[str, ...]:
    """Names of an experiment's figures."""
    return _FIGURES.get(experiment, (experiment,))


class Drawn(Runs):
    """Jobs of figures."""

    @property
    def figures(self) -> list[str]:
        """Names of the study's figures."""
        names = [f for e in self.experiments if self._drawn_runs(e) for f in figures_of(e)]
        return [*names, *(["plan"] if self._plan() else []), *self.language_figures]

    @property
    def language_figures(self) -> list[str]:
        """Names of the figures of language models."""
        found = {experiment for experiment, _, _ in self._language_runs()}
        if not found:
            return []
        methods = ["language_methods"] if "variance_aware" in found else []
        return ["language_uncertainty", *methods, "language_gallery"]

    def _drawn_runs(self, experiment: str) -> list[tuple[str, str]]:
        """Runs in an experiment's own figure: without those that `_language_runs` has."""
        elsewhere = self._language_runs()
        return [(f, d) for f, d in self._runs_of(experiment) if (experiment, f, d) not in elsewhere]

    def _language_runs(self) -> list[tuple[str, str, str]]:
        """Runs that figures of language models show; those of a crossed design have a bar."""
        return [
            (e, f, d)
            for e in self.experiments
            for f, d in self._runs_of(e)
            if d in self.config.corpora and e != "decomposition"
        ]

    def _figures(self) -> list[Job]:
        own = Path(self.config.figures.style)
        style = {
            **self.config.figures.model_dump(),
            **({"style_file": digest(own)} if own.is_file() else {}),
            "project_style": digest(_STYLE),
            "confidence": self.config.statistics.confidence,
        }
        jobs = []
        for experiment in self.experiments:
            runs = self._drawn_runs(experiment)
            if not runs:
                continue
            drawn = {"estimates": [f"{experiment}/{f}/{d}/estimates.parquet" for f, d in runs]}
            if recorded := self._recorded(experiment):
                drawn["students"] = recorded
            for figure, suffix in product(figures_of(experiment), ("png", "pdf")):
                settings = {"figure": figure, "experiment": experiment, **style}
                path = f"figures/{figure}.{suffix}"
                module = _DRAWN_BY.get(experiment, "kduq.figures.experiments")
                jobs.append(Job(path, "figures", settings, (module,), drawn))
        for plan, suffix in product(self._plan(), ("png", "pdf")):
            path, drawn = f"figures/plan.{suffix}", {"plan": [plan.path]}
            settings = {"figure": "plan", "plan": plan.settings, **style}
            jobs.append(Job(path, "figures", settings, ("kduq.figures.sample_size",), drawn))
        for figure, suffix in product(self.language_figures, ("png", "pdf")):
            drawn = self._language_sources(figure)
            modules = ("kduq.figures.language", "kduq.estimates.answers", "kduq.data.corpus")
            path = f"figures/{figure}.{suffix}"
            jobs.append(Job(path, "figures", {"figure": figure, **style}, modules, drawn))
        return jobs

    def _language_sources(self, figure: str) -> dict[str, list[str]]:
        """What a figure of language models is drawn from, by role."""
        if figure == "language_gallery":
            return self._gallery()
        return {
            "estimates": [
                f"{e}/{f}/{d}/estimates.parquet"
                for e, f, d in self._language_runs()
                if figure != "language_methods" or e == "variance_aware"
            ]
        }

    def _gallery(self) -> dict[str, list[str]]:
        """What the gallery shows: the first run of students of single answers."""
        experiment, family, corpus = min(
            self._language_runs(), key=lambda run: _GALLERY_ORDER.index(run[0])
        )
        teacher = self._run(experiment, family).teacher
        return {
            "examples": [f"examples/{corpus}.parquet"],
            "teacher": [f"teachers/{teacher}/{corpus}/answers.parquet"],
            "students": [
                f"{experiment}/{family}/{corpus}/students/{start:06d}-{stop:06d}.parquet"
                for start, stop in self._blocks(experiment, family, corpus)
            ],
        }

    def _samples(self) -> dict[str, list[str]]:
        """What sample answers are shown from: one block of students of the gallery's run."""
        if not self.language_figures:
            return {}
        run = self._gallery()
        return {
            "examples": run["examples"],
            "answers": run["teacher"],
            "students": run["students"][:1],
        }

    def _recorded(self, experiment: str) -> list[str]:
        """First block of students of each run whose trajectories were recorded."""
        found = []
        for family, dataset in self._drawn_runs(experiment):
            run = self._run(experiment, family)
            if getattr(self.config.students[run.student], "record_every", 0):
                start, stop = self._blocks(experiment, family, dataset)[0]
                found.append(
                    f"{experiment}/{family}/{dataset}/students/{start:06d}-{stop:06d}.parquet"
                )
        return found
