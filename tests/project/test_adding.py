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
    "repsim/lab/profiles/laptop.yml",
    "\n# Figures 3, 4 and F.5",
    """
  - {name: early, groups: [plain10], networks: 2, examples: [1000, 2000], indexes: [cka_linear, root_regression]}""",
)

FINDING = (
    "repsim/lab/findings/across_networks.py",
    None,
    '''

@measures("N2", by=(repsim.linear_regression, repsim.pairwise), networks=("plain10",))
def early(table: Array) -> dict[str, dict[str, Any]]:
    """Measure claim N2, on the least of all similarities."""
    early_claims = {"N2": {"lead": float(table.min())}}
    return early_claims
''',
)

DRAWING = (
    "repsim/lab/figures/curves.py",
    None,
    '''

def all_similarities(table: Array) -> Drawing:
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
  - id: N2
    section: Early layers
    statement: Layers are similar.
    place: nowhere
    predicate: {kind: at_least, of: lead, value: 0.0}
    tolerance: None of the similarities is negative.
    sentence: The least similarity is {lead:.2f}.
    fixed: 2027-01-02
    ours: true
    notebook: 17-early
    figure: figure-early
""",
)

LINE = ("_toc.yml", "\n  - caption: All of it", "\n      - file: notebooks/17-early")

SECOND_CLAIM = (
    CLAIM[0],
    None,
    CLAIM[2].replace("N2", "N3").replace("of: lead, value: 0.0", "of: layers, value: 2"),
)
NAME = ("book/claims.yml", "\nclaims:\n", "\n  layers: the number of layers")
SECOND_FINDING = [
    (FINDING[0], ', by=(repsim.linear_regression, repsim.pairwise), networks=("plain10",))\ndef early(', ', "N3"'),
    (
        FINDING[0],
        "\n    return early_claims",
        '\n    early_claims["N3"] = {"lead": float(table.min()), "layers": len(table)}',
    ),
]

README = ["claims", "laptop", "--readme", "README.md"]

HIDDEN = ["hide-input"]
CELLS = [  # below the title, the profile and what sees to the package, which all chapters have
    (
        ["remove-cell"],
        """from repsim.lab import figures
from repsim.lab.figures import curves
from repsim.lab.findings import across_networks
from repsim.lab.measurements import similarities

artefact = similarities.between(profile, "early")
examples = max(artefact.record["examples"])
table = artefact.arrays()[f"root_regression_{examples}"]""",
    ),
    (
        HIDDEN,
        """measured = {claim: values | {"examples": examples} for claim, values in across_networks.early(table).items()}
figures.answer(profile, measured, "N2")
figures.show(curves.all_similarities(table), name="figure-early", source=artefact, caption="Similarities.")""",
    ),
    (None, "## The verdict\n\nAre the layers alike?"),
    (HIDDEN, 'figures.conclude(profile, "17-early", measured)'),
    (None, "## The result\n\nThe least similarity."),
    ([], "float(table.min())"),
    (None, "## Why\n\nBecause."),
    (HIDDEN, "figures.explain(profile, measured)"),
    (None, "## How it is measured\n\nBy the root of linear regression.\n\n## What it cost"),
    (HIDDEN, 'figures.say(figures.cost_sentence(profile, [artefact.record], "comparing the layers"))'),
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
from repsim.lab.measurements.common import networks
from repsim.lab.representations import representations
found = representations(networks("smoke", "attending8")[0], "test", 50)
assert found["attention"].shape == (50, 8 * 8 * 4)
assert {name: value for (claim, _, value) in judged("smoke") if (name := claim.id) in ("N2", "N3")} == {
    "N2": "reproduced", "N3": "reproduced"}
"""

# Of the copy: those of the new index, and those that read all claims, chapters, profiles or contents.
TESTS = [
    *(f"tests/core/test_{name}.py" for name in ("indexes", "inputs", "oracle", "properties", "pairwise", "right")),
    *(f"tests/lab/test_{name}.py" for name in ("claims", "figures", "profiles")),
    *(f"tests/book/test_{name}.py" for name in ("api", "claims_page")),
    "tests/project/test_first_cell.py",
    "-k",
    "root_regression or described or oracle or registry or N2 or N3 or early or fixed or readme_shows or counts_as "
    "or score_counts or published_verdicts or names_the or profiles_load or first_cells",
]


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


def _chapter(root):
    """Make the chapter of the figure, with the first cells and the metadata of another."""
    like = json.loads((root / "notebooks" / "13-within-class.ipynb").read_text(encoding="utf-8"))
    cells = like["cells"][:3]
    for place, (tags, text) in enumerate(CELLS, len(cells)):
        cell = {"cell_type": "markdown", "id": str(place), "metadata": {}, "source": text.splitlines(keepends=True)}
        if tags is not None:
            cell |= {"cell_type": "code", "execution_count": None, "outputs": []}
            cell["metadata"] = {"tags": tags} if tags else {}
        cells.append(cell)
    return json.dumps(like | {"cells": cells})


def test_all_additions_carried_out(root, project_files, tables, tmp_path):
    tree, work = tmp_path / "tree", tmp_path / "work"
    for path in (path.relative_to(root) for path in project_files):
        if path.parts[0] != "results":
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, tree / path)
    (tree / "results").symlink_to(root / "results")
    touched = {kind: set() for kind in MOST}
    _add(tree, touched["index"], *INDEX)
    counts, prints = _stripes(work / "data" / "stripes")
    name, before, source = SOURCE
    _add(tree, touched["data set"], name, before, source.replace("{records}", counts).replace("{fingerprints}", prints))
    _add(tree, touched["network family"], *FAMILY)
    for kind in ("data set", "network family"):  # which the same group is trained on and of
        touched[kind].add(GROUP[0])
    _add(tree, set(), *GROUP)
    for addition in (COMPARISON, FINDING, DRAWING, CLAIM, LINE):
        _add(tree, touched["figure"], *addition)
    (tree / "notebooks" / "17-early.ipynb").write_text(_chapter(root), encoding="utf-8")
    touched["figure"].add("notebooks/17-early.ipynb")
    for addition in (SECOND_CLAIM, NAME, *SECOND_FINDING):
        _add(tree, touched["claim"], *addition)
    assert f".venv/bin/repsim-lab {' '.join(README)}" in (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for kind, names in touched.items():
        assert all(sum(name.startswith(listed) for name in names) == 1 for listed in tables[kind])
        assert len(names) == len(tables[kind]), kind

    environment = os.environ | {"PYTHONPATH": str(tree), "TF_CPP_MIN_LOG_LEVEL": "3"}
    folders = {f"REPSIM_{folder.upper()}": str(work / folder) for folder in ("data", "results", "cache")}
    lab = [sys.executable, "-m", "repsim.lab"]
    for command, settings in (
        ([*lab, "execute", "notebooks/17-early.ipynb", "--profile", "smoke", "--out", str(work / "executed")], folders),
        ([*lab, "judge", "smoke", "--executed", str(work / "executed")], folders),
        ([sys.executable, "-c", CHECKED], folders),
        ([*lab, *README], {"REPSIM_RESULTS": str(tree / "results")}),
        ([sys.executable, "-m", "pytest", "-q", "--basetemp", str(work / "tests"), *TESTS], {}),
    ):
        done = subprocess.run(
            command, cwd=tree, env=environment | settings, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    executed = (work / "executed" / "17-early.ipynb").read_text(encoding="utf-8")
    assert "Sorted similarities of " in executed
    assert "The least similarity is" in executed
