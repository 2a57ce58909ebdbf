"""A Slurm of one node, this machine, that lives in a folder: munge, controller and node daemon.

By hand, as root: ``python tests/slurm/one_node.py start FOLDER``, and ``stop FOLDER``. It needs no
systemd, no accounting and no control groups, touches no file outside its folder, listens on free
ports, and signals the processes of its own pid files alone.
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
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
#: Daemons and their programs live where an ordinary user's PATH does not reach.
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
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
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def lacking() -> str | None:
    """Why no Slurm can be started here, None if one can."""
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
class OneNode:
    """A Slurm of one node.

    Attributes
    ----------
    folder : Path
        Where its configuration, keys, logs and state lie. Short: sockets lie in it too.
    node_timeout : int
        Seconds after which a node that does not answer is down and its jobs have failed.
    """

    folder: Path
    node_timeout: int = 300

    @property
    def environment(self) -> dict[str, str]:
        """Environment of programs that are to talk to this Slurm."""
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
        """Start the three daemons and wait until the node takes jobs."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        # munge and slurmd refuse folders that others may write into.
        self.folder.chmod(0o755)
        memory = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20)
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                folder=self.folder,
                host=socket.gethostname().split(".")[0],
                controller_port=free_port(),
                node_port=free_port(),
                cpus=os.cpu_count(),
                memory=memory - 1024,
                node_timeout=self.node_timeout,
            )
        )
        # The plugin takes SLURM_CONF from the environment in which a job calls srun.
        srun = self.folder / "bin" / "srun"
        srun.parent.mkdir(exist_ok=True)
        found = shutil.which("srun", path=SEARCHED)
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {found} "$@"\n')
        srun.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self._munged()
        self._daemon("slurmctld")
        self.start_node()

    def start_node(self) -> None:
        """Start the node daemon, alone, and wait until it takes jobs."""
        self._daemon("slurmd")
        self._wait(self._listens, "slurmd")
        self.release()
        self._wait(lambda: self.node_state() in {"idle", "mixed", "allocated"}, "slurmd")

    def kill_node(self) -> None:
        """Kill the node daemon and all processes of jobs that run, as the machine's end would.

        A job whose launch the daemon's death cuts short has no process that could fail, and the
        controller misses it no sooner than the node's next registration but one, half an hour
        later. So no launch is under way.
        """
        self.hold()
        self._wait(lambda: self._running() == set(self._processes().values()), "slurmd")
        self._end("slurmd", signal.SIGKILL)
        for number in self._processes():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def _running(self) -> set[str]:
        """Numbers of jobs that the controller takes for running."""
        return set(self.call("squeue", "--noheader", "--states=RUNNING", "--format=%A").split())

    def _processes(self) -> dict[int, str]:
        """Processes of jobs that run on the node, and their jobs' numbers."""
        found = {}
        for line in subprocess.check_output(["ps", "-eo", "pid=,args="], text=True).splitlines():
            number, arguments = line.split(maxsplit=1)
            if arguments.startswith("slurmstepd"):
                continue
            try:
                variables = Path(f"/proc/{number}/environ").read_bytes().decode().split("\0")
            except (OSError, UnicodeDecodeError):
                continue
            named = dict(line.split("=", 1) for line in variables if "=" in line)
            ours = named.get("SLURM_CONF") == f"{self.folder}/slurm.conf"
            if ours and "SLURM_JOB_ID" in named:
                found[int(number)] = named["SLURM_JOB_ID"]
        return found

    def _listens(self) -> bool:
        """Whether the node daemon answers."""
        try:
            self.call("scontrol", "show", "slurmd")
        except RuntimeError:
            return False
        return True

    def hold(self) -> None:
        """Let no further job start."""
        self._set_node("state=drain", "reason=test")

    def release(self) -> None:
        """Let jobs start again."""
        if "drain" in self.node_state():
            self._set_node("state=resume")

    def _set_node(self, *settings: str) -> None:
        name = self.call("sinfo", "--noheader", "--format=%n")
        self.call("scontrol", "update", f"nodename={name}", *settings)

    def node_state(self) -> str:
        """State of the node, empty where the controller does not answer."""
        try:
            return self.call("sinfo", "--noheader", "--format=%T")
        except RuntimeError:
            return ""

    def stop(self) -> None:
        """Cancel what runs, and end the daemons."""
        if self._number("slurmctld"):
            self.call("scancel", "--user=root")
            if self._number("slurmd"):
                self._wait(lambda: not self.call("squeue", "--noheader"), "slurmctld", check=False)
        for name in ("slurmd", "slurmctld", "munged"):
            self._end(name, signal.SIGTERM)

    def _munged(self) -> None:
        command = ["munged", f"--socket={self.folder}/munge.socket"]
        for option in ("key", "pid", "log", "seed"):
            name = {"pid": "munged.pid", "log": "munged.log"}.get(option, f"munge.{option}")
            command.append(f"--{option}-file={self.folder / name}")
        self._started("munged", command)

    def _daemon(self, name: str) -> None:
        self._started(name, [name, "-f", str(self.folder / "slurm.conf")])

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
            running = Path(f"/proc/{number}/comm").read_text().strip() == name
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
    node = OneNode(Path(where).absolute())
    {"start": node.start, "stop": node.stop}[action]()
    if action == "start":
        print(f"export SLURM_CONF={node.folder}/slurm.conf PATH={node.folder}/bin:$PATH")
