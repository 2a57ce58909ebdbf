"""A real Slurm of one node, and checkouts whose runs go through it."""

import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import one_node
import pytest
from checkouts import Checkout

#: What a Slurm without accounting needs, and short waits in place of a busy cluster's.
FLAGS = (
    "--workflow-profile=profiles/slurm",
    "--slurm-status-command=squeue",
    "--slurm-no-account",
    "--slurm-init-seconds-before-status-checks=1",
    "--seconds-between-status-checks=1",
    "--latency-wait=5",
)


def pytest_collection_modifyitems(items):
    reason = one_node.lacking()
    for item in items:
        if reason and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"no Slurm here: {reason}"))


@dataclass
class Run:
    """A run of Snakemake that goes on beside the test."""

    process: subprocess.Popen
    log: Path

    def text(self):
        return self.log.read_text()

    def wait(self, seconds=600):
        """Exit status and all that was said."""
        return self.process.wait(seconds), self.text()


@dataclass
class Cluster(Checkout):
    """A checkout whose jobs go through Slurm."""

    node: one_node.OneNode

    @contextmanager
    def running(self, *arguments):
        """A run through Slurm, ended with its jobs if the test ends before."""
        log = self.path / "run.log"
        command = [sys.executable, "-m", "snakemake", *FLAGS, *arguments]
        with log.open("w") as out:
            process = subprocess.Popen(
                command, cwd=self.path, env=self.node.environment, stdout=out, stderr=out
            )
        try:
            yield Run(process, log)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self.node.call("scancel", "--user=root")

    def submit(self, *arguments):
        """Exit status and all that a run through Slurm said."""
        with self.running(*arguments) as run:
            return run.wait()

    def jobs(self, rule, state):
        """Slurm's numbers of a rule's or group's jobs in a state, array tasks one by one."""
        listed = self.node.call("squeue", "--noheader", "--array", f"--states={state}", "-o%i|%k")
        jobs = [line.split("|") for line in listed.splitlines()]
        return [number for number, comment in jobs if comment.startswith(f"rule_{rule}_")]

    def wait_for(self, condition, run, seconds=300):
        """Wait until a condition holds of a run that goes on."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert run.process.poll() is None, run.text()
            assert time.monotonic() < deadline, run.text()
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def node():
    # Of its own ports and files, so that several may run at once. Sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="kduq-slurm-") as folder:
        made = one_node.OneNode(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.fixture
def cluster(tmp_path, node):
    return Cluster.make(tmp_path / "checkout", node)
