"""A real Slurm of two nodes, and checkouts whose runs go through it."""

import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import two_nodes
from checkouts import Checkout

#: Options for a Slurm without accounting, with shorter waits than a busy cluster needs.
FLAGS = (
    "--workflow-profile=profiles/slurm",
    "--slurm-status-command=squeue",
    "--slurm-no-account",
    "--slurm-init-seconds-before-status-checks=1",
    "--seconds-between-status-checks=1",
    "--latency-wait=5",
)


def pytest_collection_modifyitems(items):
    reason = two_nodes.lacking()
    for item in items:
        if reason and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"no Slurm here: {reason}"))


@dataclass
class Run:
    """A run of Snakemake beside the test."""

    process: subprocess.Popen
    log: Path

    def text(self):
        return self.log.read_text()

    def wait(self, seconds=600):
        """Exit status and output."""
        return self.process.wait(seconds), self.text()


@dataclass
class Cluster(Checkout):
    """A checkout whose jobs go through Slurm."""

    slurm: two_nodes.TwoNodes

    @contextmanager
    def running(self, *arguments):
        """A run through Slurm, which ends with its jobs when the test ends."""
        log = self.path / "run.log"
        command = [sys.executable, "-m", "snakemake", *FLAGS, *arguments]
        with log.open("w") as out:
            process = subprocess.Popen(
                command, cwd=self.path, env=self.slurm.environment, stdout=out, stderr=out
            )
        try:
            yield Run(process, log)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self.slurm.call("scancel", "--user=root")

    def submit(self, *arguments):
        """Exit status and output of a run through Slurm."""
        with self.running(*arguments) as run:
            return run.wait()

    def jobs(self, rule, state):
        """Slurm's numbers of a rule's jobs in a state."""
        listed = self.slurm.call("squeue", "--noheader", f"--states={state}", "-o%i|%k")
        jobs = [line.split("|") for line in listed.splitlines()]
        return [number for number, comment in jobs if comment.startswith(f"rule_{rule}_")]

    def wait_for(self, condition, run, seconds=300):
        """Wait, while a run goes on, until a condition is true; return its value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert run.process.poll() is None, run.text()
            assert time.monotonic() < deadline, run.text()
            time.sleep(0.1)
        return value


@contextmanager
def started(**options):
    """A Slurm with ports and files of its own, so that several may run at once."""
    # Sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="kduq-slurm-") as folder:
        slurm = two_nodes.TwoNodes(Path(folder), **options)
        try:
            slurm.start()
            yield slurm
        finally:
            slurm.stop()


@pytest.fixture(scope="module")
def slurm():
    with started() as running:
        yield running


@pytest.fixture
def cluster(tmp_path, slurm):
    return Cluster.make(tmp_path / "checkout", slurm)


@pytest.fixture
def impatient_cluster(tmp_path):
    """A cluster that soon marks a node as down if it does not answer."""
    with started(node_timeout=20) as slurm:
        yield Cluster.make(tmp_path / "checkout", slurm)
