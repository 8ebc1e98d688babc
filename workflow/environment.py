"""Print environment.yml, the conda form of requirements.lock: ``python workflow/environment.py > environment.yml``."""

import re
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
  - python=3.11
  - pip
  - make
  - pip:
"""


def environment(lock: str) -> str:
    """Return the text of environment.yml for the text of a lock file: its pins without hashes, and this package."""
    pins = re.findall(r"^([a-z0-9][\w.-]*==[^\\\n]*?) *\\?$", lock, flags=re.MULTILINE)
    return HEAD + "".join(f'      - "{pin}"\n' for pin in pins) + '      - "-e ."\n'


if __name__ == "__main__":
    print(environment((ROOT / "requirements.lock").read_text(encoding="utf-8")), end="")
