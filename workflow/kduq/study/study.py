"""The plan of a study: every artifact, the settings that change its content, and its inputs.

Rules and the audit read the same plan. What Snakemake reruns and what the audit calls stale
therefore follow from one list.
"""

from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import cast

from kduq.artifacts.files import digest
from kduq.artifacts.fingerprint import PACKAGE
from kduq.claims import CLAIMS
from kduq.claims.settings import ClaimsSettings
from kduq.config.study import Config
from kduq.data import user_files
from kduq.data.datasets import DATASETS
from kduq.estimates.settings import GatherSettings
from kduq.experiments import EXPERIMENTS
from kduq.experiments.protocol import runs_of
from kduq.families import FAMILIES
from kduq.figures import FIGURES
from kduq.figures.protocol import STYLE, FigureKind
from kduq.figures.settings import FigureSettings
from kduq.report.settings import ReportSettings
from kduq.sample_size.settings import SampleSizeSettings
from kduq.study import paths, tabular, text
from kduq.study.run import Run, plan_run, table_megabytes
from kduq.study.target import Target

_CAPTIONS = PACKAGE.parent / "report"
_TEMPLATES = ("report.html.j2", "page.html.j2", "macros.html.j2", "page.css", "page.js")
_LANES = {"tabular": tabular, "text": text}


class Study:
    """All targets of a study.

    Parameters
    ----------
    config : Config
        The checked configuration.

    Attributes
    ----------
    skipped : list of str
        Optional data sets that have not been downloaded.
    runs : list of Run
        In the order of the registries of experiments and families.
    experiments, absent : list of str
        Names of the experiments with a run, and of those without.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.skipped = [d for d in self._optional() if self._lacks(d)]
        self.runs: list[Run] = []
        for name in EXPERIMENTS:
            for _, experiment, table in config.grids(name):
                tables = [*table.datasets, *table.optional_datasets]
                self.runs += [
                    plan_run(config, experiment, table, FAMILIES[family], dataset, settings)
                    for family, settings in runs_of(table).items()
                    for dataset in getattr(settings, "corpora", tables)
                    if dataset not in self.skipped
                ]
        self.experiments = list(dict.fromkeys(run.key.experiment for run in self.runs))
        self.absent = [name for name in EXPERIMENTS if name not in self.experiments]

    def _optional(self) -> list[str]:
        grids = [grid for name in EXPERIMENTS for grid in self.config.grids(name)]
        return list(dict.fromkeys(d for _, _, table in grids for d in table.optional_datasets))

    def _lacks(self, dataset: str) -> bool:
        download = DATASETS[dataset].download
        own = self.config.datasets[dataset].path is not None
        return not own and download is not None and not download.is_cached()

    def runs_of(self, *experiments: str, lane: str | None = None) -> list[Run]:
        """Runs of some experiments, or of all if none is named, of one lane or of both."""
        return [
            run
            for run in self.runs
            if (not experiments or run.key.experiment in experiments) and lane in (None, run.lane)
        ]

    @property
    def datasets(self) -> list[str]:
        """Data sets and corpora that the study uses."""
        used = {run.key.dataset for run in self.runs}
        return [d for d in (*self.config.datasets, *self.config.corpora) if d in used]

    @property
    def corpora(self) -> list[str]:
        """Corpora that the study uses."""
        return [d for d in self.datasets if d in self.config.corpora]

    @property
    def downloads(self) -> list[str]:
        """Data sets of the configuration that scikit-learn downloads."""
        return [
            name
            for name, settings in self.config.datasets.items()
            if name in DATASETS and DATASETS[name].download and settings.path is None
        ]

    def key_of(self, dataset: str) -> str:
        """Key of a data set or corpus in the configuration."""
        table = "corpora" if dataset in self.config.corpora else "datasets"
        return f"{table}.{dataset}"

    def path_of(self, dataset: str) -> str | None:
        """Path of the user's file, or folder of parts, behind a data set or corpus; or None."""
        if dataset not in self.config.corpora:
            return self.config.datasets[dataset].path
        # A folder cannot be an input of a rule; its digest is part of the settings.
        if self.config.kind_of(dataset).needs == "folder":
            return None
        return self.config.corpora[dataset].path

    def data_file(self, dataset: str) -> list[str]:
        """The user's file behind a data set or corpus, or the files of a folder of parts."""
        path = self.path_of(dataset)
        return [] if path is None else [str(part) for part in user_files.parts(Path(path))]

    def examples_of(self, dataset: str) -> Target:
        """The examples of a data set or corpus as a whole."""
        (target,) = self._lane_of(dataset).examples(self.config, dataset)
        return cast(Target, target)

    def table_megabytes(self, dataset: str) -> int:
        """Memory for the examples of a user's table; see `kduq.study.run.table_megabytes`."""
        return table_megabytes(self.config, dataset)

    def user_files(self, target: Target) -> list[str]:
        """Paths of the user's files that are inputs of a target."""
        if target.stage != "examples":
            return []
        return self.data_file(str(target.config["dataset"]))

    @cached_property
    def targets(self) -> dict[str, Target]:
        """Every target of the study by its path, in the order of the stages."""
        targets: list[Target] = []
        for dataset in self.datasets:
            targets += self._lane_of(dataset).examples(self.config, dataset)
        teachers = dict.fromkeys(
            (run.settings.teacher, run.key.dataset) for run in self.runs if not run.has_own_teachers
        )
        for name, dataset in teachers:
            targets += self._lane_of(dataset).teacher(self.config, name, dataset)
        for run in self.runs:
            lane = _LANES[run.lane]
            for shard in run.shards:
                targets += lane.responses(self.config, run, shard)
                targets += lane.students(self.config, run, shard)
            targets += lane.estimates(self.config, run)
        targets += [self._gathered(), self._claims(), *self._sample_size(), *self._figures()]
        targets.append(self._report())
        return {target.path: target for target in targets}

    def _lane_of(self, dataset: str) -> ModuleType:
        return _LANES["text" if dataset in self.config.corpora else "tabular"]

    def _gathered(self) -> Target:
        inputs = {"estimates": [run.estimates for run in self.runs]}
        modules = ("kduq.estimates.gather",)
        return Target(
            paths.ESTIMATES, "estimates", GatherSettings(), modules, inputs, script="gather"
        )

    def _claims(self) -> Target:
        """The verdicts; the table is empty if the study has no evidence for any claim."""
        settings = ClaimsSettings(
            margins=self.config.claims.model_dump(),
            confidence=self.config.statistics.confidence,
            bootstrap_draws=self.config.statistics.bootstrap_draws,
            seed=self.config.seed,
            gate=self.config.gate,
            claims=list(CLAIMS),
        )
        evidence: dict[str, list[str]] = {"estimates": [paths.ESTIMATES]}
        needed = {name for claim in CLAIMS.values() for name in claim.experiments}
        runs = self.runs_of(*needed)
        for run in runs:
            if run.lane == "text":
                roles = {"losses": run.files("losses")}
            elif run.design == "splits":
                continue  # judged from the estimates, which have all splits
            else:
                roles = {
                    "students": run.files("students"),
                    "examples": [paths.examples(run.key.dataset)],
                }
            for role, files in roles.items():
                evidence[role] = list(dict.fromkeys([*evidence.get(role, []), *files]))
        rows = None if runs else 0
        modules = ("kduq.claims.judging", *(claim.tests.__module__ for claim in CLAIMS.values()))
        return Target(paths.CLAIMS, "claims", settings, modules, evidence, rows)

    def _sample_size(self) -> list[Target]:
        """The table of sample sizes, for a study with a factorial design."""
        runs = [run for run in self.runs if run.design == "factorial"]
        if not runs:
            return []
        settings = SampleSizeSettings(
            **self.config.sample_size.model_dump(), confidence=self.config.statistics.confidence
        )
        inputs = {
            "estimates": [run.estimates for run in runs],
            "examples": list(dict.fromkeys(paths.examples(run.key.dataset) for run in runs)),
        }
        modules = ("kduq.sample_size.planning",)
        return [Target(paths.SAMPLE_SIZE, "plan", settings, modules, inputs, script="sample_size")]

    @cached_property
    def figures(self) -> dict[str, FigureKind]:
        """Figures for which the study has sources, by name."""
        return {name: figure for name, figure in FIGURES.items() if figure.sources(self)}

    @property
    def _in_report(self) -> list[str]:
        """Names of the figures that the report shows."""
        return [name for name, figure in self.figures.items() if figure.in_report]

    def _figures(self) -> list[Target]:
        style = Path(self.config.figures.style)
        settings = FigureSettings(
            **self.config.figures.model_dump(),
            style_file=digest(style) if style.is_file() else None,
            project_style=digest(STYLE),
            confidence=self.config.statistics.confidence,
            sample_size=self.config.sample_size,
            figure="",
        )
        margins = self.config.claims.model_dump()
        targets = []
        for name, figure in self.figures.items():
            sources = figure.sources(self)
            shown = self._drawn_from({path for files in sources.values() for path in files})
            own = settings.model_copy(
                update={"figure": name, "hidden_units": self._hidden_units(shown)}
                | ({} if figure.uses_sample_size else {"sample_size": None})
                | ({"margins": margins} if figure.uses_margins else {})
            )
            # Modules of the experiments that it shows, which say its titles and axes.
            experiments = sorted({run.experiment.settings.__module__ for run in shown})
            modules = ("kduq.figures.rendering", figure.module, *experiments)
            targets += [
                Target(paths.figure(name, suffix), "figures", own, modules, sources)
                for suffix in paths.FIGURE_SUFFIXES
            ]
        return targets

    def _drawn_from(self, sources: set[str]) -> list[Run]:
        """Runs that a figure with these sources shows."""
        return [
            run
            for run in self.runs
            if run.estimates in sources or not sources.isdisjoint(run.files("students"))
        ]

    def _hidden_units(self, shown: list[Run]) -> dict[str, tuple[int, int | None]]:
        """Hidden units of the networks of some runs; families that differ by run are left out."""
        found: dict[str, set[tuple[int, int | None]]] = {}
        for run in shown:
            student = getattr(self.config.students[run.settings.student], "hidden", None)
            teacher = getattr(self.config.teachers[run.settings.teacher], "hidden", None)
            if student is not None:
                found.setdefault(run.key.family, set()).add((student, teacher))
        return {family: next(iter(sizes)) for family, sizes in found.items() if len(sizes) == 1}

    def _report(self) -> Target:
        settings = ReportSettings(
            study=self.config,
            templates={name: digest(_CAPTIONS / name) for name in _TEMPLATES},
            # A figure without a caption of its own has its question.
            captions={
                name: digest(caption) if caption.is_file() else ""
                for name in self._in_report
                for caption in [_CAPTIONS / f"{name}.rst"]
            },
            skipped=self.skipped,
        )
        inputs = {
            "estimates": [paths.ESTIMATES],
            "claims": [paths.CLAIMS],
            "figures": [paths.figure(name, "svg") for name in self._in_report],
            **self._samples(),
        }
        return Target(paths.REPORT, "report", settings, ("kduq.report.page",), inputs)

    def _samples(self) -> dict[str, list[str]]:
        """Sources of the sample answers: one shard of replicates of the exemplary run."""
        run = self.exemplary_text_run
        if run is None:
            return {}
        return {
            "examples": [paths.examples(run.key.dataset)],
            "teacher_answers": [paths.teacher(run.settings.teacher, run.key.dataset, "answers")],
            "students": run.files("students", run.shards[:1]),
            "answers": run.files("answers", run.shards[:1]),
        }

    @property
    def exemplary_text_run(self) -> Run | None:
        """The run on text that shows best the effect of one answer per prompt; or None."""
        runs = [run for run in self.runs_of(lane="text") if run.design == "replicates"]

        def rank(run: Run) -> tuple[bool, int, int]:
            sampled = (c for c in run.conditions if c.label_source == "sampled" and c.k == 1)
            plain = any((c.temperature or 1) == 1 for c in sampled)
            return not plain, len(run.conditions), -run.settings.total

        return min(runs, key=rank, default=None)

    @property
    def sample_size_artifacts(self) -> list[str]:
        """Paths of the sample-size table and its figure; none without a factorial design."""
        names = (paths.SAMPLE_SIZE, *(paths.figure("plan", s) for s in paths.FIGURE_SUFFIXES))
        return [name for name in names if name in self.targets]

    def artifacts_of(self, experiment: str) -> list[str]:
        """Artifacts of the target of an experiment: its estimates, and figures of it alone."""
        own = (f"{experiment}/", "examples/", "teachers/")
        figures = [
            path
            for path, target in self.targets.items()
            if target.stage == "figures"
            and all(source.startswith(own) for source in target.sources)
        ]
        return [*(run.estimates for run in self.runs_of(experiment)), *figures]
