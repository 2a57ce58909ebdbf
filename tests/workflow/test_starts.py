"""Places and ways in which the workflow is started."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml
from checkouts import ROOT, TINY, Checkout, merged, text_of

#: One run of four linear students.
SMALLEST = merged(
    TINY,
    {
        "experiments": {
            "variance_aware": None,
            "teacher_noise": {"families": {"linear": {"replicates": 4, "shard": 4}}},
        }
    },
)
TEACHER = "results/tiny/teachers/ols/boston_housing/teacher.parquet"
ESTIMATES = "results/tiny/teacher_noise/linear/boston_housing/estimates.parquet"


def refusal(done, start):
    """The one line with which a command has been refused."""
    assert done.returncode != 0
    assert "Traceback (most recent call last)" not in text_of(done)
    (line,) = [x for x in text_of(done).splitlines() if x.removeprefix("Error: ").startswith(start)]
    return line


@pytest.fixture
def smallest(tmp_path):
    copy = Checkout.make(tmp_path / "checkout")
    copy.configure(SMALLEST)
    return copy


def environment_in(folder):
    """An environment inside a checkout, as `make env` makes it; return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin/python"


@pytest.mark.parametrize(
    "name",
    ["a space", 'it\'s $HOME "q" \\ `id`', "#[x]*?&;=,%ü", "/".join(["long" * 50] * 6)],
    ids=["space", "quotes", "brackets", "long"],
)
def test_a_checkout_may_have_any_other_character_in_its_path(tmp_path, name):
    checkout = Checkout.make(tmp_path / name)
    checkout.configure(SMALLEST)
    python = environment_in(checkout.path / ".venv")
    done = subprocess.run(
        [python, "-m", "snakemake", "--cores", "1", TEACHER],
        cwd=checkout.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, text_of(done)
    assert (checkout.path / TEACHER).is_file()


@pytest.mark.parametrize("name", ["a{b}", "a{", "}"])
def test_braces_in_the_path_of_a_checkout_are_refused(tmp_path, name):
    checkout = Checkout.make(tmp_path / name)
    checkout.configure(SMALLEST)
    line = refusal(checkout.snakemake(TEACHER), str(checkout.path))
    assert f"found {', '.join(repr(c) for c in '{}' if c in name)} in the path" in line
    assert "rename or move the folder" in line


def test_the_folder_of_results_may_have_braces_in_its_path(smallest, tmp_path):
    folder = tmp_path / "user{x} y"
    folder.mkdir()
    smallest.run("--directory", str(folder), "--configfile", "config.yaml", "--", TEACHER)
    assert (folder / TEACHER).is_file()


def test_a_misspelt_target_is_one_line_with_the_nearest_right_one(smallest):
    shard = "results/tiny/teacher_noise/linear/boston_housing/students/000000-00000{}.parquet"
    nearest = {
        "teacher_noize": "teacher-noise",
        "results/tiny/reprot.html": "results/tiny/report.html",
        str(smallest.path / "results/tiny/report.html"): "results/tiny/report.html",
        shard.format(1): shard.format(4),
        "results/tiny/figures/teacher_noize.png": "results/tiny/figures/teacher_noise.png",
    }
    for name, right in nearest.items():
        line = refusal(smallest.snakemake("--dry-run", name), name)
        assert f"did you mean '{right}'?" in line
    assert "did you mean" not in refusal(smallest.snakemake("--dry-run", "zzz"), "zzz")
    line = refusal(smallest.snakemake("--dry-run", "claims", "config.yaml"), "config.yaml")
    assert line.endswith("found a file of settings among the targets; name it after --configfile")
    line = refusal(smallest.snakemake("--dry-run", "claims", "--until", "studnets"), "studnets")
    assert "neither a rule nor an artifact" in line
    # Outputs that are no artifacts of their own, and other ways to write a path, stay targets.
    good = ["results/tiny/figures/teacher_noise.pdf", "results/tiny/benchmarks/gather.tsv"]
    smallest.run("--dry-run", *good, "./results/tiny/report.html")


def test_numbers_inside_config_on_the_command_line_are_numbers(smallest):
    def config(*settings):
        return smallest.snakemake("--dry-run", "claims", "--config", *settings)

    settings = "experiments={teacher_noise: {alpha: [0, 2.5], families: {linear: {replicates: 6}}}}"
    done = config("statistics={bootstrap_draws: 300}", settings, "seed=3")
    assert done.returncode == 0, text_of(done)
    assert "000004-000006.parquet" in text_of(done)
    for settings in ("statistics={bootstrap_draws: INT}", "seed=INT"):
        key = "seed" if settings.startswith("seed") else "statistics.bootstrap_draws"
        assert "found 'INT'; input should be a valid integer" in refusal(config(settings), key)
    line = refusal(config("experiments={teacher_noise: null}"), "experiments: nothing")
    assert "is switched on" in line


def test_a_config_file_that_is_no_table_is_one_line_with_its_place(smallest):
    texts = {
        b"a: [1\nb: {\n": "config.yaml, line 2, column ",
        b"a:\n\tb: 1\n": "config.yaml, line 2, column 1: found no YAML",
        b"study: a\nseed: 1\nstudy: b\n": "config.yaml, line 3, column 1: the key 'study' comes",
        b"a:\n  b: 1\n  c: 2\n  b: 3\n": "config.yaml, line 4, column 3: the key 'b' comes twice",
        b"": "config.yaml: found an empty file",
        b"- 1\n": "config.yaml: found a list",
        b"study: \xff\n": "config.yaml: found the byte 0xff at position 7",
    }
    for text, words in texts.items():
        (smallest.path / "config.yaml").write_bytes(text)
        assert refusal(smallest.snakemake("--dry-run", "claims"), "config.yaml").startswith(words)


def test_a_key_twice_in_an_overlay_is_one_line_with_its_place(smallest):
    (smallest.path / "mine.yaml").write_text("figures: {dpi: 30}\nfigures: {style: default}\n")
    done = smallest.snakemake("--dry-run", "claims", "--configfile", "mine.yaml")
    line = refusal(done, "mine.yaml, line 2, column 1: the key 'figures' comes twice")
    assert line.endswith("remove or rename one")


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_a_missing_config_file_is_one_line_that_names_the_nearest(smallest, profile):
    (smallest.path / "mine.yaml").write_text("seed: 1\n")
    (smallest.path / "folder").mkdir()
    (smallest.path / "broken.yaml").write_text("seed: [1\n")
    where = ["--workflow-profile", f"profiles/{profile}"]

    def line(*arguments):
        done = smallest.snakemake("--dry-run", "claims", *where, *arguments)
        return refusal(done, arguments[-1].rpartition("=")[2])

    os.mkfifo(smallest.path / "pipe.yaml")
    (smallest.path / "link.yaml").symlink_to("gone.yaml")
    assert "found a pipe or a device" in line("--configfile", "pipe.yaml")
    assert "found a link to nothing" in line("--configfile", "link.yaml")
    missing = "found no such file after --configfile, from the folder "
    assert missing + str(smallest.path) in line("--configfile", "mein.yaml")
    assert line("--configfile", "mine.yaml", "mein.yaml").endswith("did you mean 'mine.yaml'?")
    assert line("--configfile=config.yml").endswith("did you mean 'config.yaml'?")
    assert line("--configfiles", "zzz/zzz").endswith("correct it")
    assert "found a folder after --configfile" in line("--configfile", "folder")
    assert "line 2, column 1: found no YAML" in line("--configfile", "broken.yaml")


def test_a_missing_config_file_is_one_line_from_another_folder(smallest, tmp_path):
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--dry-run",
        "claims",
        "--configfile",
        "mine.yaml",
    ]
    done = subprocess.run(
        [*command, "--snakefile", smallest.path / "Snakefile"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"from the folder {tmp_path}" in refusal(done, "mine.yaml")


def test_a_run_without_any_config_is_one_line_that_names_the_way(smallest, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", f"-s{smallest.path}/Snakefile"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    line = refusal(done, "config.yaml")
    assert f"found none in {tmp_path}" in line
    assert "--directory CHECKOUT" in line


def test_a_file_of_another_checkout_brings_none_of_its_code(smallest, tmp_path):
    other = Checkout.make(tmp_path / "other")
    other.configure(SMALLEST, {"seed": 8})
    for name in ("__init__", "runtime/command_line", "seeds"):
        (other.path / f"workflow/kduq/{name}.py").write_text("raise SystemExit('the other')\n")
    # By both ways in which a profile's code could find a library: an argument, and the folder.
    own = ["--directory", str(smallest.path), "--snakefile", str(smallest.path / "Snakefile")]
    command = [sys.executable, "-m", "snakemake", "--cores=1", "--configfile=config.yaml", *own]
    done = subprocess.run(
        [*command, "--", TEACHER], cwd=other.path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, text_of(done)
    assert (smallest.path / TEACHER).is_file()


@pytest.mark.parametrize("place", ["cache", "snakemake"])
def test_a_cache_that_cannot_be_written_is_not_needed(smallest, tmp_path, monkeypatch, place):
    cache = tmp_path / "cache"
    if place == "snakemake":
        cache.mkdir()
    (cache / "snakemake" if place == "snakemake" else cache).write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    folder = tmp_path / "results of others"
    folder.mkdir()
    smallest.run("--directory", str(folder), "--configfile", "config.yaml", "--", TEACHER)
    assert (folder / ".snakemake/cache/snakemake").is_dir()
    assert not (smallest.path / ".snakemake/cache").exists()


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
def test_a_home_that_cannot_be_written_is_not_needed(smallest, tmp_path, monkeypatch, variable):
    # A file, since root may write into any folder.
    (tmp_path / "home").write_text("")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "home"))
    smallest.run(TEACHER)
    assert (smallest.path / ".snakemake/cache/snakemake").is_dir()


def test_the_target_of_an_experiment_that_is_off_is_one_line(smallest):
    text = smallest.snakemake("--dry-run", "bootstrap")
    assert "takes part" in refusal(text, "experiments.bootstrap: no family takes part")
    assert "Traceback" not in text.stdout + text.stderr


def callers(tmp_path, *lines):
    """A folder with a Snakefile that uses a checkout as a module."""
    checkout = Checkout.make(tmp_path / "checkout")
    shutil.copy(ROOT / "config.yaml", checkout.path / "config.yaml")
    caller = tmp_path / "caller"
    caller.mkdir()
    # Its own settings alone: the others are those of config.yaml beside the module.
    (caller / "mine.yaml").write_text(yaml.safe_dump(SMALLEST))
    (caller / "Snakefile").write_text("\n".join(lines) + "\n")
    return Checkout(caller)


def test_another_workflow_uses_this_one_as_a_module(tmp_path):
    caller = callers(
        tmp_path,
        'configfile: "mine.yaml"',
        "module kduq:",
        '    snakefile: "../checkout/Snakefile"',
        "    config: config",
        "use rule * from kduq as kduq_*",
        "rule figures:",
        '    output: "{name}.txt"',
        '    shell: "echo {wildcards.name} > {output}"',
        "rule mine:",
        f'    input: "{ESTIMATES}", "a.txt"',
        '    output: "mine.csv"',
        '    shell: "cat {input[1]} > {output}"',
    )
    done = caller.run("mine", "--dry-run")
    assert {"kduq_students", "kduq_estimates", "mine"} <= set(text_of(done).split())
    assert "localrules directive" not in text_of(done)
    assert "did you mean 'kduq_teacher-noise'?" in refusal(
        caller.snakemake("--dry-run", "kduq_teacher_noise"), "kduq_teacher_noise"
    )
    caller.run("mine")
    assert (caller.path / "mine.csv").read_text() == "a\n"
    assert (caller.path / ESTIMATES).is_file()
    assert "Nothing to be done" in text_of(caller.run("mine", "--dry-run"))
    (caller.path / "mine.yaml").write_text("sed: 1\n")
    assert "did you mean 'seed'?" in refusal(caller.snakemake("mine", "--dry-run"), "sed")


def test_a_module_is_used_twice_with_different_settings(tmp_path):
    paths, lines = [], []
    for name, replicates in (("one", 4), ("two", 6)):
        families = {"linear": {"replicates": replicates, "shard": 6}}
        config = merged(SMALLEST, {"experiments": {"teacher_noise": {"families": families}}})
        config["study"] = name
        lines += [f"module {name}:", '    snakefile: "../checkout/Snakefile"']
        lines += [f"    config: {config!r}", f"use rule * from {name} as {name}_*"]
        run = f"results/{name}/teacher_noise/linear/boston_housing"
        paths.append(f"{run}/responses/000000-00000{replicates}.parquet")
    lines += ["use rule responses from two as two_responses with:", "    threads: 2"]
    caller = callers(tmp_path, *lines)
    caller.run(*paths)
    assert all((caller.path / path).is_file() for path in paths)


def test_one_run_needs_neither_home_nor_locale_nor_rights_of_others(
    smallest, tmp_path, monkeypatch
):
    for name, value in (("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    command = shlex.join([sys.executable, "-m", "snakemake", "--cores", "1", "reproduce-all"])
    done = subprocess.run(
        ["/bin/sh", "-c", f"umask 077; exec {command}"],
        cwd=smallest.path,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, text_of(done)
    assert (smallest.path / "results/tiny/report.html").stat().st_mode & 0o777 == 0o600
    assert "0 stale" in text_of(smallest.run("audit"))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "words"),
    [("size=4k", "bytes of free space"), ("size=28k", "bytes of free space"), ("ro", "written")],
)
def test_no_room_or_right_for_records_is_one_line(smallest, options, words):
    records = smallest.path / ".snakemake"
    records.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(records)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        assert words in refusal(smallest.snakemake(TEACHER), str(records))
        assert not Path(smallest.path, "results").exists()
    finally:
        subprocess.run(["umount", "--lazy", str(records)], check=True)
