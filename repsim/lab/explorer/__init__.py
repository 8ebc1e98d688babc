"""What the explorer's page shows: every layer-by-layer similarity table of a profile's results, as scripts.

A page that is opened from disk may not fetch data but may run scripts beside it. So each block of a table, one index of
the networks of two groups, becomes a script of its own, which the page loads when it is chosen.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np

from repsim.lab.explorer import heatmap
from repsim.lab.explorer.catalogue import by_architecture, catalogue
from repsim.lab.explorer.tables import SimilarityTable, similarity_tables
from repsim.lab.profiles import load_profile

SAID = (
    "Of each kind of networks of which there are two or more: for each ordered pair and each layer of the first, is "
    "the layer of the second that is most like it the same layer? On the most images there are; ± leaves out one "
    "network at a time, and needs three."
)
NOTHING = "This profile's results hold no layer-by-layer table of similarities."


def write_blocks(tables: list[SimilarityTable], folder: Path) -> None:
    """Write each block of each table as a script: the little-endian numbers, row by row, in base 64."""
    for table in tables:
        for index in table.indexes:
            for first, second in table.pairs():
                block = table.block(index, first, second)
                numbers = np.ascontiguousarray(block, block.dtype.newbyteorder("<")).tobytes()
                name = f"{table.key}-{index}-{first}-{second}"
                text = f'explorer.blocks["{name}"] = "{base64.b64encode(numbers).decode()}";\n'
                (folder / f"{name}.js").write_text(text, encoding="utf-8")


def explorer(profile_name: str, static: Path) -> str:
    """Write the scripts of the explorer's page, and return the HTML that loads them.

    Parameters
    ----------
    profile_name
        Whose results are shown.
    static
        The folder of the book's static files, which holds ``explorer.js``.
    """
    profile = load_profile(profile_name)
    tables = list(similarity_tables(profile))
    if not tables:
        return NOTHING
    folder = static / "explorer"
    folder.mkdir(exist_ok=True)
    write_blocks(tables, folder)
    known = json.dumps(catalogue(profile, tables), separators=(",", ":"), ensure_ascii=False)
    (folder / "catalogue.js").write_text(f"window.explorer = {known};\n", encoding="utf-8")
    (folder / "vega.js").write_text(heatmap.script(), encoding="utf-8")
    scripts = ("explorer/vega.js", "explorer/catalogue.js", "explorer.js")
    loading = "\n".join(f'<script defer src="../_static/{name}"></script>' for name in scripts)
    return f"{loading}\n\n## Layers identified, by architecture\n\n{SAID}\n\n{by_architecture(profile, tables)}"
