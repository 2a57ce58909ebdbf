"""A checkout of the workflow in a temporary directory, with a study small enough to run often."""

import fcntl
import shutil
from dataclasses import dataclass
from pathlib import Path

import forks
import yaml
from kduq.runtime.fork_server import JOB_NAME

ROOT = Path(__file__).parents[2]
#: Two experiments, seconds long.
TINY = {
    "study": "tiny",
    "students": {"mlp_16": {"epochs": 3}, "mlp_128": {"epochs": 20}, "mlp_64": {"epochs": 3}},
    "experiments": {
        "teacher_noise": {
            "datasets": ["boston_housing"],
            "alpha": [0, 1],
            "families": {"linear": {"replicates": 8, "shard": 4}, "mlp": None, "lm": None},
        },
        "student_init": None,
        "bootstrap": None,
        "student_output": None,
        "predictive_distribution": None,
        "variance_aware": {
            "datasets": ["boston_housing"],
            "alpha": [1],
            "k": [1, 3],
            "families": {"linear": None, "mlp": {"replicates": 4, "shard": 2}, "lm": None},
        },
        "fixed_initialisation": None,
        "decomposition": None,
        "study_variance": None,
        "replication": None,
    },
    "statistics": {"bootstrap_draws": 200},
}


#: Students of the smallest of language models.
LANGUAGE = {
    "study": "language",
    "corpora": {"ambiguous_facts": {"questions": 8, "wordings": 3}},
    "language": {"prompts": 8, "draws": 3},
    "teachers": {"gpt_128": {"width": 16, "vocabulary": 400, "steps": 20}},
    "students": {"gpt_64": {"width": 16, "vocabulary": 400, "steps": 10}},
    "experiments": {
        "teacher_noise": None,
        "student_init": None,
        "bootstrap": None,
        "student_output": {
            "optional_datasets": [],
            "families": {"softmax": None, "mlp": None, "lm": {"replicates": 4, "shard": 2}},
        },
        "predictive_distribution": None,
        "variance_aware": {
            "families": {
                "linear": None,
                "mlp": None,
                "lm": {
                    "corpora": ["ambiguous_facts"],
                    "k": [3],
                    "method": ["single", "multi_response", "averaging", "variance_weighting"],
                    "temperature_by_corpus": None,
                    "single_temperature": [],
                    "replicates": 2,
                    "shard": 2,
                },
            }
        },
        "fixed_initialisation": None,
        "decomposition": None,
        "study_variance": None,
        "replication": None,
    },
    "statistics": {"bootstrap_draws": 200},
}


#: Factorial designs of linear students and networks, in place of the two experiments of TINY.
FACTORIAL = {
    "experiments": {
        "teacher_noise": None,
        "variance_aware": None,
        "decomposition": {
            "datasets": ["boston_housing"],
            "alpha": 0.5,
            "families": {
                "linear": {
                    "teacher": "ols",
                    "student": "ols",
                    "levels": {"noise": 4, "bootstrap": 3},
                    "shard": 2,
                },
                "mlp": {
                    "teacher": "mlp_16",
                    "student": "mlp_16",
                    "levels": {"noise": 3, "initialisation": 3, "bootstrap": 3},
                    "shard": 2,
                },
            },
        },
    },
}


def merged(base, overlay):
    both = dict(base)
    for key, value in overlay.items():
        old = base.get(key)
        both[key] = (
            merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return both


#: Every stage of both lanes, and both designs, as small as can be: over a hundred artifacts.
EVERY_STAGE = merged(
    merged(TINY, LANGUAGE),
    {
        "study": "every",
        "experiments": {
            "teacher_noise": TINY["experiments"]["teacher_noise"],
            "variance_aware": {"families": {"mlp": {"replicates": 4, "shard": 2}}},
            "student_output": {
                "datasets": ["wine"],
                "families": {"softmax": {"replicates": 10, "shard": 2}},
            },
            "decomposition": FACTORIAL["experiments"]["decomposition"],
        },
    },
)


def artifacts(folder):
    """Bytes of all artifacts of a study, by path."""
    kinds = ("*.parquet", "*.safetensors", "*.png", "*.pdf", "*.svg", "*.html")
    files = [p for kind in kinds for p in folder.rglob(kind)]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def text_of(done):
    """All that a command has written to the terminal."""
    return done.stdout + done.stderr


def jobs_of(folder):
    """Numbers of the processes that run scripts in a folder, forks and others."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                name = (entry / "comm").read_text().strip()
                status = (entry / "status").read_text()
                here = (entry / "cwd").readlink() == folder
            except OSError:  # it has ended
                continue
            if here and (name == JOB_NAME or f"{folder}/.snakemake/scripts" in command):
                parents[int(entry.name)] = int(status.split("PPid:")[1].split()[0])
    # A child that has not yet begun its own program has its parent's command.
    return sorted(number for number, parent in parents.items() if parent not in parents)


@dataclass
class Checkout:
    """A copy of the sources in which real Snakemake runs happen."""

    path: Path

    @classmethod
    def make(cls, path, *more):
        ignore = shutil.ignore_patterns("__pycache__", ".snakemake", "results")
        for name in ("workflow", "profiles", "envs"):
            shutil.copytree(ROOT / name, path / name, ignore=ignore)
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(ROOT / name, path / name)
        checkout = cls(path, *more)
        checkout.fork(1)
        return checkout

    def configure(self, *overlays):
        config = yaml.safe_load((ROOT / "config.yaml").read_text())
        for overlay in overlays:
            config = merged(config, overlay)
        (self.path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    @classmethod
    def finished(cls, path, folder, *overlays):
        """A copy of a checkout whose study has been run to its end, once per session.

        Its run is in a folder that the session's workers share; the others wait for it.
        """
        folder.mkdir(exist_ok=True)
        name = overlays[0]["study"]
        run = folder / name
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not run.exists():
                begun = folder / f"{name}.begun"
                shutil.rmtree(begun, ignore_errors=True)
                checkout = cls.make(begun)
                checkout.configure(*overlays)
                checkout.run("reproduce-all")
                begun.rename(run)
        shutil.copytree(run, path, symlinks=True)
        return cls(path)

    def fork(self, least):
        """Let jobs be forks in runs of so many jobs; ten is the number of the library."""
        name = "workflow/kduq/runtime/forking.py"
        line = "LEAST = "
        (old,) = (x for x in (self.path / name).read_text().splitlines() if x.startswith(line))
        self.edit(name, old, f"{line}{least}")

    def snakemake(self, *arguments, cores=2):
        return forks.snakemake(["--cores", str(cores), *arguments], self.path)

    def run(self, *arguments, cores=2):
        done = self.snakemake(*arguments, cores=cores)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def planned(self, *arguments):
        """Number of jobs by rule in a dry run."""
        done = self.run("reproduce-all", "--dry-run", *arguments)
        text = done.stdout + done.stderr
        if "Nothing to be done" in text:
            return {}
        table = text[text.index("Job stats:") :].split("\n\n")[0].splitlines()[3:]
        counts = {line.split()[0]: int(line.split()[1]) for line in table if line.strip()}
        counts.pop("total")
        return counts

    def edit(self, name, old, new):
        file = self.path / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))
