"""A SLURM cluster of virtual nodes: one controller and a daemon for each node, all on this machine.

Needs what Debian calls munge, slurmctld, slurmd and slurm-client. Its key, its ports and its files are its own, so it
stands beside a cluster that the machine may belong to.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
# Without slurmdbd there is no accounting: Snakemake is told to ask squeue, which is right as long as MinJobAge says.
SNAKEMAKE = "--slurm-status-command squeue --slurm-init-seconds-before-status-checks 2 --slurm-no-account"
CONFIGURATION = """\
ClusterName=virtual
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MinJobAge=3600
SlurmdTimeout=10
# A virtual node has what is written here, whatever the machine has.
SlurmdParameters=config_overrides
# A job of a node that is lost fails, so that it is the workflow that makes it again.
JobRequeue=0
{nodes}
PartitionName=virtual Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class VirtualCluster:
    """A running cluster; `environment` lets SLURM's commands find it.

    Parameters
    ----------
    folder
        For its state and logs. Short: sockets lie in it, whose paths may have about 100 characters.
    nodes
        How many there are, called node1, node2 and so on.
    cpus, memory_mib
        What each of them counts as having.
    """

    def __init__(self, folder: Path, nodes: int, cpus: int = 1, memory_mib: int = 16000) -> None:
        self.folder, self.nodes = folder, [f"node{number}" for number in range(1, nodes + 1)]
        configuration, commands = folder / "slurm.conf", folder / "bin"
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "SLURM_CONF": str(configuration)}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "state").mkdir()
        commands.mkdir()
        # Snakemake takes SLURM_CONF, like every SLURM_* variable, from the environment in which it calls srun in a job.
        (commands / "srun").write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {shutil.which("srun")} "$@"\n')
        (commands / "srun").chmod(0o755)
        key = folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        host, (port, *ports) = socket.gethostname().split(".")[0], _free_ports(1 + nodes)
        lines = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs={cpus} "
            f"RealMemory={memory_mib}"
            for name, node_port in zip(self.nodes, ports, strict=True)
        ]
        user = psutil.Process().username()
        text = CONFIGURATION.format(host=host, port=port, user=user, folder=folder, nodes="\n".join(lines))
        configuration.write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Start all daemons, and wait until every node is idle."""
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
        files |= {"log-file": "munged.log", "seed-file": "munged.seed"}
        given = [f"--{option}={self.folder / name}" for option, name in files.items()]
        self._daemon("munged", ["munged", "--foreground", "--force", *given])
        self._wait("munged's socket", (self.folder / "munge.socket").exists)
        self._daemon("slurmctld", ["slurmctld", "-D"])
        for name in self.nodes:
            self._daemon(name, ["slurmd", "-D", "-N", name])
        self._wait("idle nodes", lambda: self._ask("sinfo", "-h", "-N", "-t", "idle", "-o", "%N") == self.nodes)

    def running(self, node: str) -> list[str]:
        """Return the jobs that run on a node."""
        return self._ask("squeue", "-h", "-t", "running", "-w", node, "-o", "%i")

    def state(self, node: str) -> str:
        """Return the state of a node, in SLURM's words."""
        return " ".join(self._ask("sinfo", "-h", "-n", node, "-N", "-o", "%T"))

    def lose(self, node: str) -> None:
        """Kill the daemon of a node, and what runs on it, with SIGKILL, as when a machine loses its power."""
        here = [process for process in self.processes() if _environment(process).get("SLURMD_NODENAME") == node]
        steps = [parent for process in here if (parent := process.parent()) and parent.name().startswith("slurmstepd")]
        self._daemons[node].kill()
        for process in {*steps, *here}:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def stop(self) -> None:
        """End all daemons, and every process that they or their jobs left."""
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
        for daemon in self._daemons.values():
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def processes(self) -> list[psutil.Process]:
        """Return the processes that are told of this cluster, which only its daemons, its jobs and its commands are."""
        own, mine = self.environment["SLURM_CONF"], os.getpid()
        return [
            process
            for process in psutil.process_iter()
            if process.pid != mine and _environment(process).get("SLURM_CONF") == own
        ]

    def _daemon(self, name: str, command: Sequence[str]) -> None:
        with (self.folder / f"{name}.out").open("wb") as log:
            self._daemons[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def _ask(self, *command: str) -> list[str]:
        answer = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        return sorted(answer.stdout.split())

    def _wait(self, what: str, there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not there():
            ended = [name for name, daemon in self._daemons.items() if daemon.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.out")))
                raise RuntimeError(f"no {what}; ended: {', '.join(ended) or 'none'}\n{logs}")
            time.sleep(0.2)


def missing() -> list[str]:
    """Return the programs that a cluster needs and this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextlib.contextmanager
def virtual_cluster(nodes: int, cpus: int = 1) -> Iterator[VirtualCluster]:
    """Start a cluster of so many nodes with so many cores each, and stop it and remove its files at the end."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        cluster = VirtualCluster(Path(folder), nodes, cpus)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
