"""What the page on clusters says, against sums worked out apart from the code."""

import itertools
import re

import pytest

from benchmarks.cluster import clusters
from repsim.lab.measurements import steps
from repsim.lab.profiles import load_profile

RESULT = {
    "date": "2020-02-02",
    "machine": {"system": "Linux", "processors": 2},
    "slurm": "22.05.8",
    "jobs": 8,
    "profile": "smoke",
    "rows": [
        {"workers": workers, "seconds": seconds, "idle": 0.25}
        for workers, seconds in ((0, 80.0), (1, 120.0), (2, 80.0), (4, 75.0))
    ],
}


def test_jobs_end_when_the_longest_row_of_them_does():
    assert clusters.makespan([3, 1, 2], 1) == 6
    assert clusters.makespan([3, 1, 2], 2) == 3
    assert clusters.makespan([3, 1, 2], 64) == 3
    assert (
        clusters.makespan([2, 2, 3, 3, 3], 2) == 7
    )  # the longest first: 3 + 2 + 2 and 3 + 3, where 6.5 would be ideal


@pytest.mark.parametrize("workers", [2, 3])
def test_no_order_beats_the_longest_first_by_a_third(workers):
    minutes = [5, 5, 4, 4, 3, 3, 3]
    best = min(
        max(sum(one for one, at in zip(minutes, where, strict=True) if at == worker) for worker in range(workers))
        for where in itertools.product(range(workers), repeat=len(minutes))
    )
    assert best <= clusters.makespan(minutes, workers) <= 4 / 3 * best


def test_the_papers_networks_on_many_gpus():
    rows = {
        int(cells[0]): cells
        for cells in re.findall(r"^\| (\d+) \| (\S+) \| (\S+) \| (\S+) \| (\S+) \|$", clusters.paper(), re.M)
    }
    groups = load_profile("paper").networks
    hours = sum(len(group.seeds) * group.minutes for group in groups) / 60
    longest = max(group.minutes for group in groups) / 60
    assert float(rows[1][1]) == pytest.approx(hours, abs=0.05)
    assert hours / 8 <= float(rows[8][1]) + 0.05
    assert float(rows[8][1]) <= hours / 8 + longest
    assert float(rows[64][1]) == pytest.approx(longest, abs=0.05)
    assert float(rows[64][3]) == pytest.approx(64 * longest, abs=0.5)


def test_every_profile_says_what_its_jobs_ask_for():
    text = clusters.asked()
    for name, network, measurement in (
        ("smoke", "1 | 0 | 1,700 to 1,724 | 11", "2 | 0 | 2,048 | 15"),
        ("paper", "8 | 1 | 1,700 to 6,939 | 12 to 1,474", "16 | 0 | 65,536 | 1,440"),
    ):
        trained = sum(len(group.seeds) for group in load_profile(name).networks)
        assert f"| `{name}` | a network | {trained} | {network} |" in text
        assert f"| `{name}` | a measurement | {len(steps(name))} | {measurement} |" in text


def test_what_slurm_adds_and_gains():
    assert clusters.overhead(RESULT) == 5
    text = clusters.speed(RESULT)
    assert "**5.0 seconds**" in text
    assert "| one core, without SLURM | 80 | 10.0 | – | 25% |" in text
    assert "| 2 of one core | 80 | 10.0 | 1.50 | 25% |" in text
    assert "Other work" in text, "a quarter is idle where half should be"
    free = [{**row, "idle": 0.45} for row in RESULT["rows"]]
    assert "Other work" not in clusters.speed({**RESULT, "rows": free})
