"""The CODECHECK configuration: which files a codechecker is to make again, and of what they are the outputs.

Version 1.0 of the specification, because 2.0 demands an ORCID of every author. Who checks, with what result, is
added by the codechecker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

CODECHECK = "codecheck.yml"
SPECIFICATION = "https://codecheck.org.uk/spec/config/1.0/"
OURS = "repsim_revisited"  # nodes beyond the specification bear the name of what they are for
COMMENTS = {
    "results": "what was trained and measured",
    "outputs/notebooks": "an executed notebook",
    "outputs/figures": "a figure, or the data of one",
    "outputs/claims": "the claims with what was measured and their verdicts",
}


def configuration(citation: Mapping[str, Any], outputs: Sequence[str], about: Mapping[str, Any]) -> str:
    """Return the text of ``codecheck.yml``.

    Parameters
    ----------
    citation
        The content of ``CITATION.cff``.
    outputs
        The files to make again.
    about
        What an archive says of itself: profile, commit, version.
    """
    (paper,) = [one for one in citation["references"] if one["type"] == "conference-paper"]
    contents = {
        "version": SPECIFICATION,
        "manifest": [{"file": path, "comment": _comment(path)} for path in outputs],
        "paper": {
            "title": citation["title"],
            "authors": [{"name": author_name(one)} for one in citation["authors"]],
            "reference": citation["repository-code"],
        },
        "source": f"A reproduction of {paper['title']}, {paper['url']}. CIFAR-10 and CIFAR-100 are fetched from their "
        "home page.",
        "repository": citation["repository-code"],
        OURS: dict(about),
    }
    text = yaml.safe_dump(contents, sort_keys=False, allow_unicode=True, width=120)
    return f"%YAML 1.1\n---\n{text}"


def author_name(author: Mapping[str, str]) -> str:
    """Return how an author of a citation file is called."""
    return author.get("name") or f"{author['given-names']} {author['family-names']}"


def _comment(path: str) -> str:
    return next(comment for folder, comment in COMMENTS.items() if path.startswith(f"{folder}/"))
