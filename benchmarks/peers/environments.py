"""An environment for each library, made once; all that need torch share one installation of it."""

import json
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.registry import TORCH

REPOSITORY = Path(__file__).resolve().parents[2]
MINUTES = 30


class InstallError(Exception):
    """A library does not install; the message is pip's."""


def python_of(peer, folder):
    """Return the interpreter of a library's environment, making that first if it is not what is asked for."""
    if not (peer.requires or peer.without_dependencies):
        return Path(sys.executable)
    shared = _packages(made_for(folder / "torch", TORCH)) if peer.torch else None
    return made_for(folder / peer.name, peer.requires, peer.without_dependencies, shared) / "bin" / "python"


def torch_python(folder):
    """Return the interpreter of the environment that holds torch and NumPy only."""
    return made_for(folder / "torch", TORCH) / "bin" / "python"


def clean(message):
    """Shorten a message to one line without anything that names this machine or a package index."""
    lines = [
        line for line in str(message).splitlines() if not re.search(r"^\s*$|^WARNING|^Looking in|\[notice\]", line)
    ]
    text = " ".join(" ".join(lines).split())
    text = re.sub(r"https?://\S+", "(address)", text)
    text = re.sub(r"(?<![\w.~$})-])/\S*/", "", text)
    return text if len(text) <= 400 else f"{text[:397]}..."


def made_for(home, requires, without_dependencies=(), shared=None):
    """Return an environment that holds what is required."""
    stamp = home / "installed.json"
    wanted = {"requires": list(requires), "without_dependencies": list(without_dependencies), "torch": bool(shared)}
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == wanted:
        return home
    _call(sys.executable, "-m", "venv", "--clear", home)
    if shared:
        (_packages(home) / "torch.pth").write_text(f"{shared.resolve()}\n", encoding="utf-8")
    pins = TORCH if shared else ()
    pip = (home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _call(*pip, *requires, *pins)
    if without_dependencies:
        _call(*pip, "--no-deps", *without_dependencies)
    stamp.write_text(json.dumps(wanted), encoding="utf-8")
    return home


def _packages(home):
    return next((home / "lib").glob("python*/site-packages"))


def _call(*command):
    try:
        done = subprocess.run(
            [str(argument) for argument in command], capture_output=True, text=True, check=False, timeout=60 * MINUTES
        )
    except subprocess.TimeoutExpired:
        raise InstallError(f"pip did not end within {MINUTES} minutes") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.lower().lstrip().startswith("error")]
        raise InstallError(clean("\n".join(errors) or done.stderr))
