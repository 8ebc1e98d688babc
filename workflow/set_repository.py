"""Give the repository another address: ``python workflow/set_repository.py https://github.com/NAME/REPOSITORY``.

The address is ``[project.urls] Repository`` in pyproject.toml. The files that have to spell it out (launch buttons,
badges, the citation, the first cell of the notebooks) are rewritten together with it.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]


def address(root: Path = ROOT) -> str:
    """Return the address that pyproject.toml holds."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def owner_and_name(url: str) -> tuple[str, str]:
    """Return the owner and the name in a repository's address."""
    parsed = urlsplit(url)
    match = re.fullmatch(r"/([\w.-]+)/([\w.-]+)", parsed.path)
    if parsed.scheme != "https" or parsed.netloc != "github.com" or not match or parsed.query or parsed.fragment:
        sys.exit(f"{url!r} is not of the form https://github.com/NAME/REPOSITORY")
    return match[1], match[2]


def rewrites(old: str, new: str) -> dict[str, str]:
    """Return what has to be written in place of what: the path of the repository, and its GitHub Pages."""
    (old_owner, old_name), (new_owner, new_name) = owner_and_name(old), owner_and_name(new)
    return {
        f"{old_owner}.github.io/{old_name}": f"{new_owner}.github.io/{new_name}",
        f"{old_owner}/{old_name}": f"{new_owner}/{new_name}",
    }


def project_files(root: Path) -> list[Path]:
    """Return the files that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := root / name).is_file()]


def rewrite(files: list[Path], old: str, new: str) -> list[Path]:
    """Write the new address into every text file that holds the old one; return those that changed."""
    changed = []
    for path in files:
        try:
            before = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
        after = before
        for this, that in rewrites(old, new).items():
            after = re.sub(rf"(?<![\w.-]){re.escape(this)}(?![\w-])", that, after)
        if after != before:
            path.write_bytes(after.encode("utf-8"))
            changed.append(path)
    return changed


def main() -> None:
    """Rewrite this repository."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    new = sys.argv[1].removesuffix("/").removesuffix(".git")
    for path in rewrite(project_files(ROOT), address(), new):
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
