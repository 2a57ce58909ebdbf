"""A Slurm of two nodes on this machine, in a folder: munge, controller and two node daemons.

By hand, as root: ``python tests/slurm/two_nodes.py start FOLDER``, and ``stop FOLDER``. It needs no
systemd, accounting or control groups. It writes no file outside its folder, listens on free ports,
and signals only processes of its own pid files.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
NODES = ("first", "second")
#: Daemons and their programs live where an ordinary user's PATH does not reach.
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

CONFIGURATION = """\
ClusterName=two
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job of a node that is down waits until its credential has expired.
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# A job that takes more memory than it asked for is killed, looked after every second.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
ReturnToService=2
# Ended jobs are remembered for an hour: squeue is all that tells of them.
MinJobAge=3600
KillWait=2
SlurmctldTimeout=20
SlurmdTimeout={node_timeout}
InactiveLimit=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def lacking() -> str | None:
    """Why Slurm cannot be started here; None if it can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=SEARCHED) is None]
    if missing:
        return f"no {', '.join(missing)} (Debian: slurmctld slurmd slurm-client munge)"
    if os.geteuid() != 0:
        return "slurmd needs root"
    return None


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@dataclass
class TwoNodes:
    """A Slurm of two nodes, each with half of this machine.

    Attributes
    ----------
    folder : Path
        Folder of its configuration, keys, logs and state. Its path must be short, for sockets.
    node_timeout : int
        Seconds after which a node that does not answer is down.
    """

    folder: Path
    node_timeout: int = 300
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Environment of programs that talk to this Slurm."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_"))}
        path = os.pathsep.join([str(self.folder / "bin"), SEARCHED])
        return {**inherited, "PATH": path, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def call(self, *command: str) -> str:
        """Output of a command that talks to this Slurm."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def start(self) -> None:
        """Start the four daemons and wait until both nodes take jobs."""
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        # munge and slurmd refuse folders that others may write into.
        self.folder.chmod(0o755)
        self.ports.update({node: free_port() for node in NODES})
        host = socket.gethostname().split(".")[0]
        memory = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20)
        of_each = (
            f"CPUs={max(1, (os.cpu_count() or 1) // len(NODES))} "
            f"RealMemory={(memory - 1024) // len(NODES)} State=UNKNOWN"
        )
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                folder=self.folder,
                host=host,
                controller_port=free_port(),
                nodes="\n".join(
                    f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} {of_each}"
                    for node, port in self.ports.items()
                ),
                node_timeout=self.node_timeout,
            )
        )
        # The plugin takes SLURM_CONF from the environment in which a job calls srun.
        srun = self.folder / "bin" / "srun"
        srun.parent.mkdir(exist_ok=True)
        program = shutil.which("srun", path=SEARCHED)
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {program} "$@"\n')
        srun.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self._munged()
        self._daemon("slurmctld")
        for node in NODES:
            self.start_node(node)

    def start_node(self, node: str) -> None:
        """Start the daemon of a node and wait until it takes jobs."""
        name = f"slurmd-{node}"
        self._daemon(name, "-N", node)
        self._wait(lambda: self._listens(node), name)
        self.release(node)
        self._wait(lambda: self.node_state(node) in {"idle", "mixed", "allocated"}, name)

    def kill_node(self, node: str, silently: bool = True) -> None:
        """Kill a node's daemon and all processes of its jobs, like a failure of the machine.

        A job whose launch is interrupted has no process that could fail, and the controller only
        notices at the node's second registration, half an hour later. Therefore this waits until no
        job is being launched.

        Parameters
        ----------
        node : str
            One of `NODES`.
        silently : bool
            Whether the processes that watch the jobs are killed too. Otherwise they report to the
            controller that the jobs have failed.
        """
        self.hold()
        self._wait(lambda: self._running() == {n for _, n, _ in self._processes()}, "slurmctld")
        self._end(f"slurmd-{node}", signal.SIGKILL)
        doomed = [process for process, _, where in self._processes() if where == node]
        watchers = {p for process in doomed for p in process.parents() if p.name() == "slurmstepd"}
        for process in [*(watchers if silently else ()), *doomed]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.release(*(other for other in NODES if other != node))

    def _running(self) -> set[str]:
        """Numbers of jobs that are running according to the controller."""
        return set(self.call("squeue", "--noheader", "--states=RUNNING", "--format=%A").split())

    def _processes(self) -> list[tuple[psutil.Process, str, str]]:
        """Processes of running jobs, each with the number of its job and its node."""
        processes = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                variables = process.environ()
                ours = variables.get("SLURM_CONF") == f"{self.folder}/slurm.conf"
                if process.name() != "slurmstepd" and ours and "SLURM_JOB_ID" in variables:
                    node = variables.get("SLURMD_NODENAME", "")
                    processes.append((process, variables["SLURM_JOB_ID"], node))
        return processes

    def _listens(self, node: str) -> bool:
        """Whether a node's daemon answers."""
        try:
            socket.create_connection(("127.0.0.1", self.ports[node]), timeout=5).close()
        except OSError:
            return False
        return True

    def hold(self) -> None:
        """Let no further job start."""
        for node in NODES:
            self._set_node(node, "state=drain", "reason=test")

    def release(self, *nodes: str) -> None:
        """Let jobs start again, on all nodes if none is named."""
        for node in nodes or NODES:
            if "drain" in self.node_state(node):
                self._set_node(node, "state=resume")

    def _set_node(self, node: str, *settings: str) -> None:
        self.call("scontrol", "update", f"nodename={node}", *settings)

    def node_state(self, node: str) -> str:
        """State of a node, empty where the controller does not answer."""
        try:
            return self.call("sinfo", "--noheader", f"--nodes={node}", "--format=%T")
        except RuntimeError:
            return ""

    def node_of(self, job: str) -> str:
        """Node that a job runs on or ran on last."""
        return self.call("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%N")

    def stop(self) -> None:
        """Cancel what runs, and end the daemons."""
        if self._number("slurmctld"):
            self.call("scancel", "--user=root")
            if all(self._number(f"slurmd-{node}") for node in NODES):
                self._wait(lambda: not self.call("squeue", "--noheader"), "slurmctld", check=False)
        for name in (*(f"slurmd-{node}" for node in NODES), "slurmctld", "munged"):
            self._end(name, signal.SIGTERM)

    def _munged(self) -> None:
        command = ["munged", f"--socket={self.folder}/munge.socket"]
        for option in ("key", "pid", "log", "seed"):
            name = {"pid": "munged.pid", "log": "munged.log"}.get(option, f"munge.{option}")
            command.append(f"--{option}-file={self.folder / name}")
        self._started("munged", command)

    def _daemon(self, name: str, *options: str) -> None:
        program = name.partition("-")[0]
        self._started(name, [program, "-f", str(self.folder / "slurm.conf"), *options])

    def _started(self, name: str, command: list[str]) -> None:
        # A daemon must not hold the pipes of whoever started it.
        log = self.folder / f"{name}.out"
        with log.open("w") as out:
            code = subprocess.call(command, env=self.environment, stdout=out, stderr=out)
        if code:
            raise RuntimeError(f"{name}: {log.read_text()}")
        self._wait(lambda: self._number(name) is not None, name)

    def _number(self, name: str) -> int | None:
        """Process of a daemon, None if it does not run."""
        try:
            number = int((self.folder / f"{name}.pid").read_text())
            running = Path(f"/proc/{number}/comm").read_text().strip() == name.partition("-")[0]
        except (OSError, ValueError):
            return None
        return number if running else None

    def _end(self, name: str, how: signal.Signals) -> None:
        number = self._number(name)
        if number is not None:
            os.kill(number, how)
            self._wait(lambda: self._number(name) is None, name)

    def _wait(self, until, name: str, seconds: float = 60, check: bool = True) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                if not check:
                    return
                log = self.folder / f"{name}.log"
                raise TimeoutError(f"{name}: {log.read_text()[-2000:] if log.exists() else ''}")
            time.sleep(0.1)


if __name__ == "__main__":
    if reason := lacking():
        sys.exit(reason)
    action, where = sys.argv[1:]
    slurm = TwoNodes(Path(where).absolute())
    {"start": slurm.start, "stop": slurm.stop}[action]()
    if action == "start":
        print(f"export SLURM_CONF={slurm.folder}/slurm.conf PATH={slurm.folder}/bin:$PATH")
