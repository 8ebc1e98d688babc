"""What CONTRIBUTING says of additions, carried out in a copy: each touches the files of its table only."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from repsim.lab.data import IMAGE_BYTES, fingerprint

MOST = {"figure": 6, "index": 1, "claim": 2, "network family": 2, "data set": 2}

INDEX = ("repsim/indexes.py", "\n]  # fmt: skip\n\n\n@cache\ndef _knn_index", '''
    Index(
        "root_regression",
        "Root of linear regression",
        r"R_{LR}",
        r"\\|Q_Y^T X\\|_F / \\|X\\|_F",
        "none",
        x=LINEAR,
        y=PROJECTOR,
        value=lambda moments: explained(moments) ** 0.5,
        invertible_linear="second",
        symmetric=False,
    ),''')  # fmt: skip

TESTS_OF_INDEXES = [
    *(f"tests/core/test_{name}.py" for name in ("indexes", "inputs", "oracle", "properties", "pairwise", "right")),
    "tests/book/test_api.py",
    "-k",
    "root_regression or described or oracle or registry",
]

SOURCE = ("repsim/lab/data.py", "\n}\nDATASETS = ", '''
    "stripes": Source(
        title="Stripes",
        address="http://127.0.0.1:1/stripes.tar.gz",
        md5="",
        folder="stripes",
        train_files=("train.bin",),
        test_files=("test.bin",),
        label_bytes=1,
        classes=3,
        records={records},
        fingerprints={fingerprints},
    ),''')  # fmt: skip

FAMILY = ("repsim/lab/families.py", "\n\n\nclass Shapes:", '''


@family("attending{}", range(8, 9), (4,))
def attending(_: int, channels: Sequence[int]) -> list[Row]:
    """Return patches, attention between them, and a convolution."""
    (width,) = channels

    def attend(keras: Any, x: Any) -> Any:
        rows = keras.layers.Reshape((64, width))(x)
        rows = keras.layers.MultiHeadAttention(2, width)(rows, rows)
        return keras.layers.Reshape((8, 8, width))(rows)

    return [
        Convolution(width, 4, 4, layer="patches"),
        Other("attention", (8, 8, width), attend),
        Convolution(width, layer="conv2"),
    ]
''')  # fmt: skip

GROUP = ("repsim/lab/profiles/smoke.yml", "\n# One job of a cluster", '''
  - architecture: attending8
    dataset: stripes
    seeds: [0, 1]
    recipe: *other-recipe
    minutes: 0.1''')  # fmt: skip

COMPARISON = (
    "repsim/lab/profiles/smoke.yml",
    "\nwithin: ",
    """
  - {name: attending, groups: [attending8], examples: [50, 100], indexes: [cka_linear, root_regression]}""",
)

FINDING = (
    "repsim/lab/findings/across_networks.py",
    None,
    '''

@measures("Z9", by=(repsim.cka, repsim.pairwise), networks=("attending8",))
def figure_z9(table: Array) -> dict[str, Any]:
    """Measure claim Z9: the least similarity, and the mean over layers."""
    return {"lead": float(table.min()), "layers": len(table)}
''',
)

DRAWING = (
    "repsim/lab/figures/curves.py",
    None,
    '''

def least_similar(table: Array) -> Drawing:
    """Draw the similarities of all layers."""
    with panels(1, 1, 2.0) as (figure, axes):
        axes[0, 0].plot(np.sort(table.ravel()))
    return Drawing(figure, f"Sorted similarities of {len(table)} layers.")
''',
)

CLAIM = (
    "book/claims.yml",
    None,
    """
  - id: Z9
    section: Figure F.7, within classes
    statement: Layers of attention are similar.
    place: nowhere
    predicate: {kind: at_least, of: lead, value: 0.0}
    tolerance: None of them is negative.
    sentence: The least similarity is {lead:.2f}.
    ours: true
    notebook: 17-attending
""",
)

CELLS = [
    'profile = "laptop"',
    """from repsim.lab import figures
from repsim.lab.figures import curves
from repsim.lab.findings import across_networks
from repsim.lab.measurements import similarities
artefact = similarities.between(profile, "attending")
table = artefact.arrays()["root_regression_100"]
values = across_networks.figure_z9(table)""",
    'figures.show(curves.least_similar(table), name="figure-z9", source=artefact, caption="Similarities.")',
    'figures.conclude(profile, "17-attending", {"Z9": values | {"examples": 100}})',
]

CHECKED = """
import numpy as np, repsim
x, y = np.random.default_rng(0).normal(size=(2, 20, 3))
value = repsim.linear_regression(x, y) ** 0.5
assert abs(repsim.INDEXES["root_regression"](x, y) - value) < 1e-12
assert abs(repsim.pairwise([x, y], index="root_regression")[0, 1] - value) < 1e-12
values = repsim.pairwise([x, y, x + 0.1, y + 0.1], index="root_regression").reshape(2, 2, 2, 2).transpose(0, 2, 1, 3)
assert repsim.identification_accuracy(values) == 1.0
from repsim.lab.staging import table_1
assert "| Root of linear regression | `root_regression` | " in table_1()
from repsim.lab.claims import judged
assert {one.claim.id: one.verdict for one in judged("smoke")}["Z9"] == "reproduced"
"""


@pytest.fixture(scope="module")
def tables(root):
    """Kind of addition -> the files that its table names."""
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Adding\n")[1].split("\n## ")[0]
    sections = re.split(r"^### An? ", text, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE) for part in sections}


@pytest.mark.parametrize("kind", MOST)
def test_an_addition_touches_few_files_and_they_are_there(root, tables, kind):
    assert set(tables) == set(MOST)
    assert 0 < len(tables[kind]) <= MOST[kind]
    assert [name for name in tables[kind] if not (root / name).exists()] == []


def _stripes(folder):
    """Write a data set of three classes of stripes as its records; return what its entry says of it."""
    rng, facts = np.random.default_rng(0), {}
    folder.mkdir(parents=True)
    for split, count in {"train": 96, "test": 120}.items():
        labels = np.arange(count, dtype=np.uint8) % 3
        waves = 128 + 100 * np.sin((1 + labels[:, None]) * np.arange(IMAGE_BYTES) / 5)
        noisy = np.clip(waves + rng.normal(0, 20, waves.shape), 0, 255).astype(np.uint8)
        records = np.concatenate([labels[:, None], noisy], axis=1)
        records.tofile(folder / f"{split}.bin")
        facts[split] = count, fingerprint(records)
    counts, prints = ({split: fact[place] for split, fact in facts.items()} for place in (0, 1))
    return repr(counts), repr(prints)


def _add(tree, touched, name, before, text):
    path = tree / name
    old = path.read_text(encoding="utf-8")
    assert before is None or old.count(before) == 1, f"{name}: {before!r}"
    path.write_text(old.rstrip("\n") + "\n" + text if before is None else old.replace(before, text + before), "utf-8")
    touched.add(name)


def _notebook(root):
    """Make the chapter of the figure, with the metadata of another."""
    like = json.loads((root / "notebooks" / "13-within-class.ipynb").read_text(encoding="utf-8"))
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{place}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": text,
        }
        for place, text in enumerate(CELLS)
    ]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    return json.dumps(like | {"cells": cells})


def test_all_additions_carried_out(root, tables, tmp_path):
    tree, work = tmp_path / "tree", tmp_path / "work"
    for folder in ("repsim", "book", "notebooks", "benchmarks", "tests"):
        shutil.copytree(root / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_toc.yml", "pyproject.toml"):
        shutil.copy(root / name, tree)
    touched = {kind: set() for kind in MOST}
    _add(tree, touched["index"], *INDEX)
    counts, prints = _stripes(work / "data" / "stripes")
    name, before, source = SOURCE
    _add(tree, touched["data set"], name, before, source.replace("{records}", counts).replace("{fingerprints}", prints))
    _add(tree, touched["network family"], *FAMILY)
    _add(tree, touched["network family"], *GROUP)  # trained on the new data set
    for addition in (COMPARISON, FINDING, DRAWING, CLAIM):
        _add(tree, touched["figure"], *addition)
    (tree / "notebooks" / "17-attending.ipynb").write_text(_notebook(root), encoding="utf-8")
    touched["claim"] = {CLAIM[0], FINDING[0]}
    for kind, names in touched.items():
        assert all(any(name.startswith(listed.replace("laptop", "smoke")) for listed in tables[kind]) for name in names)

    environment = os.environ | {"PYTHONPATH": str(tree), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {f"REPSIM_{part.upper()}": str(work / part) for part in ("data", "results", "cache")}
    lab = [sys.executable, "-m", "repsim.lab"]
    for command in (
        [*lab, "execute", "notebooks/17-attending.ipynb", "--profile", "smoke", "--out", str(work / "executed")],
        [*lab, "judge", "smoke", "--executed", str(work / "executed")],
        [sys.executable, "-c", CHECKED],
        [sys.executable, "-m", "pytest", "-q", *TESTS_OF_INDEXES],
    ):
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    executed = (work / "executed" / "17-attending.ipynb").read_text(encoding="utf-8")
    assert "Sorted similarities of 8 layers." in executed
    assert "The least similarity is" in executed
