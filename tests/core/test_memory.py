"""How much memory the engine takes where a container or a cluster's job limits it."""

from pathlib import Path

import pytest

from repsim.engine import memory

GROUPS = {
    "unified": ("0::/system.slice/slurmstepd.scope/job_7/step_0\n", "", "memory.max", "memory.current", "max"),
    "separate": (
        "4:cpu,cpuacct:/slurm/job_7\n3:memory:/slurm/uid_0/job_7/step_0\n1:name=systemd:/\n",
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        str(2**63 - 4096),
    ),
}


@pytest.fixture(params=GROUPS)
def machine(request, tmp_path):
    """A made-up root: this process is in a group whose parent, a job, may take 1,000 bytes and has taken 300."""
    lines, mount, limit, usage, unlimited = GROUPS[request.param]
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(lines)
    own = next(line.split(":")[2] for line in lines.splitlines() if line.split(":")[1] in ("", "memory"))
    group = tmp_path / "sys/fs/cgroup" / mount / own.lstrip("/")
    group.mkdir(parents=True)
    for folder, most, used in ((group, unlimited, 200), (group.parent, "1000", 300)):
        (folder / limit).write_text(f"{most}\n")
        (folder / usage).write_text(f"{used}\n")
    return tmp_path


def test_the_limit_of_a_group_above_counts(machine):
    assert min(memory._group_limits(machine)) == 700


def test_a_container_sees_its_own_limit_at_the_top(machine):
    """What the process is in has another path inside of the container than outside: it is not there."""
    for part in ("memory.max", "memory.limit_in_bytes"):
        for path in machine.rglob(part):
            path.write_text("max\n")
    top = machine / "sys/fs/cgroup"
    (top / "memory.max").write_text("500")
    (top / "memory.current").write_text("600")
    (top / "memory").mkdir(exist_ok=True)
    (top / "memory" / "memory.limit_in_bytes").write_text("500")
    (top / "memory" / "memory.usage_in_bytes").write_text("600")
    (machine / "proc/self/cgroup").write_text("5:memory:/docker/a\n0::/docker/a\n")
    assert set(memory._group_limits(machine)) == {0}, "nothing is left"


def test_without_groups_what_the_system_says_counts(tmp_path, monkeypatch):
    assert memory._group_limits(tmp_path) == []
    monkeypatch.setattr(memory, "_free", lambda: 2**30)
    monkeypatch.setattr(memory, "_group_limits", lambda root: [2**40] if root == Path("/") else [])
    assert memory.available() == 2**30
    monkeypatch.setattr(memory, "_group_limits", lambda _: [2**28, 2**40])
    assert memory.available() == 2**28
    assert memory.budget(None) == 2**27
