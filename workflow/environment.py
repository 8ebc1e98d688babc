"""Write the forms of the environment that other tools read, from requirements.lock and pyproject.toml.

``python workflow/environment.py`` writes environment.yml for conda, .binder/runtime.txt for Binder, and which Python
the Dockerfile has, from which development containers start too. `make lock` calls it.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# The environment of requirements.lock for conda users, made from it by `make lock`:
#     conda env create -f environment.yml
#     conda activate repsim-revisited
name: repsim-revisited
channels:
  - conda-forge
dependencies:
  - python={python}
  - pip
  - make
  - pip:
"""


def forms(root: Path = ROOT) -> dict[str, str]:
    """Return the text of each file by its path in the repository."""
    python = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["repsim"]["python"]
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([a-z0-9][\w.-]*==[^\\\n]*?) *\\?$", lock, flags=re.MULTILINE)
    listed = "".join(f'      - "{pin}"\n' for pin in [*pins, "-e ."])
    dockerfile = (root / "Dockerfile").read_text(encoding="utf-8")
    return {
        "environment.yml": HEAD.format(python=python) + listed,
        ".binder/runtime.txt": f"python-{python}\n",
        "Dockerfile": re.sub(r"(?<=^FROM python:)[\d.]+", python, dockerfile, count=1, flags=re.MULTILINE),
    }


if __name__ == "__main__":
    for name, text in forms().items():
        (ROOT / name).write_text(text, encoding="utf-8")
