"""`make reproduce EXECUTOR=...`: what would be submitted, and what it would ask for, without a cluster."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from repsim.lab.measurements import steps
from repsim.lab.planning import measuring_job, training_job, transformer_job
from repsim.lab.profiles import load_profile

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def graph(root, tmp_path, profile, *arguments):
    """The jobs that Snakemake would run, as its dry run prints them, by rule."""
    environment = {**os.environ, "REPSIM_RESULTS": str(tmp_path)}
    command = [sys.executable, "-m", "snakemake", "--snakefile", root / "workflow" / "Snakefile", "--dry-run"]
    command += [*arguments, "--directory", root, "--nolock", "--cores", "4", "--forceall", "book"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for rule, text in re.findall(r"^(?:local)?rule (\w+):\n((?: +.*\n)+(?:Shell command: .*\n)?)", done.stdout, re.M):
        found.setdefault(rule, []).append(text)
    return found


def number(text, name):
    found = re.search(rf"\b{name}[=:] ?(\d+)", text)
    return int(found[1]) if found else None


@pytest.mark.parametrize("name", ["smoke", "paper"])
def test_each_network_and_each_measurement_is_a_job_with_what_the_plan_says(root, tmp_path, name):
    slurm = ["--workflow-profile", root / "workflow" / "executors" / "slurm", "--config"]
    jobs = graph(root, tmp_path, name, *slurm, f"profile={name}", "cluster=true")
    profile = load_profile(name)
    assert len(jobs["train"]) == len(profile.jobs())
    assert len(jobs["transformer"]) == len(profile.transformers.seeds)
    assert len(jobs["measure"]) == len(steps(name))
    for text in jobs["train"]:
        asked = training_job(profile, profile.group(re.search(r"group=(\S+),", text)[1]))
        assert number(text, "mem_mb") == asked.memory_mib
        assert number(text, "runtime") == asked.minutes
        assert number(text, "gpu") == (asked.gpus or None)
    for text in jobs["transformer"]:
        assert number(text, "mem_mb") == transformer_job(profile).memory_mib
        assert number(text, "runtime") == transformer_job(profile).minutes
    for text in jobs["measure"]:
        assert number(text, "mem_mb") == measuring_job(profile).memory_mib
        assert number(text, "gpu") is None


def test_the_published_book_makes_nothing_that_it_is_drawn_from(root, tmp_path):
    """Its notebooks only read; what is measured for the claims, which judging takes, is declared."""
    made, read = (
        graph(root, tmp_path, "smoke", "--printshellcmds", "--config", "profile=smoke", *published)
        for published in ([], ["published=true"])
    )
    assert not {"train", "measure"} & read.keys()
    assert all("REPSIM_ONLY_READ=1 repsim-lab execute" in text for text in read["execute"])
    assert not any("REPSIM_ONLY_READ" in text for text in made["execute"])
    for jobs in (made, read):
        assert f"{tmp_path}/smoke/claims" in jobs["judge"][0]


def test_one_machine_measures_in_one_job(root, tmp_path):
    jobs = graph(root, tmp_path, "smoke", "--config", "profile=smoke")
    assert len(jobs["train"]) == len(load_profile("smoke").jobs())
    assert len(jobs["measure"]) == 1
    assert number(jobs["measure"][0], "threads") == 4, "as many as Snakemake may use"


def test_the_executor_is_handed_over_with_what_is_said_of_it(root):
    command = ["make", "--dry-run", "reproduce", "PROFILE=smoke"]
    alone = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert "--cores all" in alone
    assert "--workflow-profile" not in alone
    assert "cluster=true" not in alone
    command += ["EXECUTOR=slurm", "ARGS=--default-resources slurm_account=us"]
    there = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert "--workflow-profile workflow/executors/slurm --default-resources slurm_account=us" in there
    assert "--cores" not in there
    assert "profile=smoke cluster=true" in there


def test_an_unknown_executor_is_one_sentence(root, tmp_path):
    shutil.copy(root / "Makefile", tmp_path)
    shutil.copytree(root / "workflow" / "executors", tmp_path / "workflow" / "executors")
    for name in ("requirements.lock", "pyproject.toml", ".venv/.ready"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    command = ["make", "reproduce", "EXECUTOR=pbs"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "There is no executor pbs; known are: slurm" in answer.stderr
