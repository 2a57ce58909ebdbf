"""Files that say the same thing in two places must agree."""

import re
import tomllib
from pathlib import Path

import kduq
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"torch": "pytorch"}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name="requirements.lock"):
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_conda_environment_follows_pyproject():
    environment = yaml.safe_load((ROOT / "envs/kduq.yaml").read_text())
    *by_conda, by_pip = environment["dependencies"]
    found = {tuple(entry.split(" ", 1)) for entry in by_conda}
    found |= {(r.name, str(r.specifier)) for r in map(Requirement, by_pip["pip"])}
    wanted = {("python", "=3.11"), ("pip",)}
    for entry in project()["project"]["dependencies"]:
        requirement = Requirement(entry)
        name = CONDA_NAMES.get(requirement.name, requirement.name)
        wanted.add((name, str(requirement.specifier)))
    assert found == wanted


def test_lock_satisfies_every_bound():
    pins = locked() | locked("requirements-no-deps.lock")
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    table = project()
    entries = [*table["project"]["dependencies"]]
    for group in ("optional-dependencies", "dependency-groups"):
        tables = table["project"] | table
        entries += [entry for part in tables[group].values() for entry in part]
    for requirement in map(Requirement, entries):
        version = pins[requirement.name.lower()]
        assert requirement.specifier.contains(version), requirement
        assert "+" not in version
    assert not [name for name in pins if name.startswith("nvidia")]


def test_citation_names_the_paper_and_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == kduq.__version__
    assert "2601.18909" in citation["references"][0]["notes"]


def test_pre_commit_runs_the_commands_of_make_lint_with_the_tools_of_the_lock_file():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"] for hook in local["hooks"]]
    assert all(entry.startswith(".venv/bin/") for entry in entries)
    commands = {
        entry.removeprefix(".venv/bin/").removesuffix(" --force-exclude") for entry in entries
    }
    recipe = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0].splitlines()[1:]
    assert commands == {re.sub(r" (\.|Snakefile workflow/rules)$", "", c.strip()) for c in recipe}
    assert {command.split()[0] for command in commands} <= locked().keys()


def test_the_changelog_has_this_version_and_ci_runs_all_tests():
    assert f"\n## [{kduq.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert {"run": ".ci/run"} in workflow["jobs"]["test"]["steps"]
