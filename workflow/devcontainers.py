"""Write the development containers: one for the repository, and for each notebook one that opens it.

``python workflow/devcontainers.py`` removes those of notebooks that are gone. A Codespaces link cannot name a file to
open, but the container to start.
"""

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def container(name: str, opens: str, to_root: str) -> str:
    """Return a devcontainer.json.

    Parameters
    ----------
    name
        What the container is called.
    opens
        The file that is opened first, from the root of the repository.
    to_root
        The way to there from the folder of the file.
    """
    content = {
        "name": name,
        "build": {"dockerfile": f"{to_root}/Dockerfile", "context": to_root, "target": "base"},
        "hostRequirements": {"cpus": 2, "memory": "8gb", "storage": "32gb"},
        "onCreateCommand": "make env",
        "customizations": {
            "codespaces": {"openFiles": [opens]},
            "vscode": {
                "extensions": ["ms-python.python", "ms-toolsai.jupyter"],
                "settings": {"python.defaultInterpreterPath": "${workspaceFolder}/.venv/bin/python"},
            },
        },
    }
    return json.dumps(content, indent=2) + "\n"


def containers(root: Path = ROOT) -> dict[str, str]:
    """Return the text of every devcontainer.json by its path in the repository."""
    found = {".devcontainer/devcontainer.json": container("repsim-revisited", "README.md", "..")}
    for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        name = f".devcontainer/{path.stem}/devcontainer.json"
        found[name] = container(f"repsim-revisited: {path.stem}", f"notebooks/{path.name}", "../..")
    return found


if __name__ == "__main__":
    shutil.rmtree(ROOT / ".devcontainer", ignore_errors=True)
    for name, text in containers().items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
