"""The plan of a study: every artifact, the settings that decide its content, and its inputs.

Rules and the audit read the same plan, so what Snakemake reruns and what the audit calls stale
follow from one list.
"""

import json
from dataclasses import replace
from functools import cached_property
from itertools import product

from kduq.artifacts.files import digest
from kduq.artifacts.fingerprint import PACKAGE
from kduq.study.drawn import Drawn, figures_of
from kduq.study.planned import Job

__all__ = ["Job", "Study"]

#: Files of the library that are data, by what reads them.
_CAPTIONS = PACKAGE.parent / "report"
_TEMPLATES = ("report.html.j2", "page.html.j2", "macros.html.j2", "page.css", "page.js")


class Study(Drawn):
    """All jobs of a study."""

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Every job of the study by its path."""
        found = [*self._examples(), *self._teachers()]
        for experiment in self.experiments:
            for family, dataset in self._runs_of(experiment):
                found.extend(self._run_jobs(experiment, family, dataset))
        found.extend(self._gathered())
        return {job.path: replace(job, modules=(*job.modules, self._entry(job))) for job in found}

    def data_files(self, job: Job) -> list[str]:
        """Paths of the user's files that a job reads."""
        return self.data_file(job.settings["dataset"]) if job.stage == "examples" else []

    def _entry(self, job: Job) -> str:
        """Entry script of a job's rule, as a module."""
        of_text = job.settings.get("dataset") in self.config.corpora
        of_text |= job.settings.get("figure") in self.language_figures
        name = job.stage
        if name == "losses":
            name = "teacher" if job.path.startswith("teachers/") else "students"
        if job.path == "estimates.parquet":
            name = "gather"
        elif name == "examples" and of_text:
            name = "corpora"
        elif name != "answers" and of_text:
            name = f"language_{name}"
        return f"scripts.{name}"

    def _gathered(self) -> list[Job]:
        runs = [
            f"{e}/{f}/{d}/estimates.parquet" for e in self.experiments for f, d in self._runs_of(e)
        ]
        evidence: dict[str, list[str]] = {"estimates": ["estimates.parquet"]}
        for experiment in self.experiments:
            for family, dataset in self._runs_of(experiment):
                evidence = _merged(evidence, self._evidence(experiment, family, dataset))
        jobs = [
            Job("estimates.parquet", "estimates", {}, ("kduq.estimates",), {"estimates": runs}),
            Job(
                "claims.parquet",
                "claims",
                {
                    "confidence": self.config.statistics.confidence,
                    "bootstrap_draws": self.config.statistics.bootstrap_draws,
                    "seed": self.config.seed,
                    **self.config.claims.model_dump(),
                    "gate": self.config.gate.model_dump(),
                },
                ("kduq.claims",),
                evidence,
                # Without evidence there is no claim to judge.
                None if len(evidence) > 1 else 0,
            ),
        ]
        jobs.extend(self._plan())
        figures = self._figures()
        jobs.extend(figures)
        captions = {f: digest(_CAPTIONS / f"{f}.rst") for f in self.figures}
        jobs.append(
            Job(
                "report.html",
                "report",
                {
                    "study": json.loads(self.config.model_dump_json()),
                    "templates": {name: digest(_CAPTIONS / name) for name in _TEMPLATES},
                    "captions": captions,
                    "left_out": self.left_out,
                },
                ("kduq.report.page",),
                {
                    "estimates": ["estimates.parquet"],
                    "claims": ["claims.parquet"],
                    "figures": [job.path for job in figures if job.path.endswith(".png")],
                }
                | self._samples(),
            )
        )
        return jobs

    def _evidence(self, experiment: str, family: str, dataset: str) -> dict[str, list[str]]:
        """What claims read of a run beside the gathered estimates, by role."""
        if experiment == "decomposition":
            return {}  # the paper claims nothing of it
        root = f"{experiment}/{family}/{dataset}"
        blocks = [
            f"{start:06d}-{stop:06d}" for start, stop in self._blocks(experiment, family, dataset)
        ]
        students = [f"{root}/students/{block}.parquet" for block in blocks]
        examples = [f"examples/{dataset}.parquet"]
        task = self.config.task_of(dataset)
        if task == "text":
            return {"losses": [f"{root}/losses/{block}.parquet" for block in blocks]}
        if task == "classification":
            return {"students": students, "examples": examples}
        return {"students": students}

    @property
    def plan_artifacts(self) -> list[str]:
        """Paths to make for a plan: its table and its figure; none without a pilot."""
        names = ("plan.parquet", "figures/plan.png", "figures/plan.pdf")
        return [name for name in names if name in self.jobs]

    def artifacts_of(self, experiment: str) -> list[str]:
        """Paths to make for one experiment: its estimates and its figures."""
        runs = [f"{experiment}/{f}/{d}/estimates.parquet" for f, d in self._runs_of(experiment)]
        figures = list(figures_of(experiment) if self._drawn_runs(experiment) else ())
        shared = (f"{experiment}/", "examples/", "teachers/")
        for figure in self.language_figures:
            sources = [path for paths in self._language_sources(figure).values() for path in paths]
            figures += [figure] if all(path.startswith(shared) for path in sources) else []
        drawn = product(figures, ("png", "pdf"))
        return [*runs, *(f"figures/{figure}.{suffix}" for figure, suffix in drawn)]


def _merged(one: dict[str, list[str]], other: dict[str, list[str]]) -> dict[str, list[str]]:
    """Lists of the same name joined, each path once."""
    return {
        name: list(dict.fromkeys([*one.get(name, []), *other.get(name, [])]))
        for name in dict.fromkeys([*one, *other])
    }
