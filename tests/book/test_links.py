"""What `make links` calls broken: tried on a page of its own whose links lead to this machine."""

import functools
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest
import yaml

from .conftest import ROOT, QuietHandler


@pytest.fixture
def here(tmp_path):
    """The address of a server with one page."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "there.html").write_text('<html><body><p id="anchor">Here.</p></body></html>')
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def look_up(folder, *links):
    """Run the builder of the target with the settings of the book on a page with these links."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    kept = {name: value for name, value in settings.items() if name.startswith("linkcheck_")}
    assert {"linkcheck_ignore", "linkcheck_anchors_ignore"} <= set(kept)
    folder.mkdir()
    config = {"title": "links", "sphinx": {"config": {**kept, "linkcheck_retries": 1}}}
    (folder / "_config.yml").write_text(yaml.safe_dump(config))
    (folder / "_toc.yml").write_text("format: jb-book\nroot: page\n")
    (folder / "page.md").write_text("# Links\n\n" + "\n".join(f"- [link]({link})" for link in links) + "\n")
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", folder, "--builder", "linkcheck", "--all", "--keep-going"]
    environment = {**os.environ, "PYTHONWARNINGS": "", "no_proxy": "127.0.0.1"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    report = folder / "_build" / "html" / "output.json"
    assert report.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    found = map(json.loads, report.read_text().splitlines())
    return done.returncode, {one["uri"]: one["status"] for one in found}


def test_a_broken_link_fails_and_is_named(here, tmp_path):
    links = f"{here}/there.html", f"{here}/gone.html", f"{here}/there.html#nowhere"
    code, found = look_up(tmp_path / "book", *links)
    assert code != 0
    assert found == dict(zip(links, ("working", "broken", "broken"), strict=True))


def test_exceptions_and_lines_of_code_do_not_fail(here, tmp_path):
    links = f"{here}/there.html#anchor", f"{here}/there.html#L12", "https://github.com/OWNER/any/blob/main/x.py#L1"
    code, found = look_up(tmp_path / "book", *links)
    assert code == 0
    assert found == dict(zip(links, ("working", "working", "ignored"), strict=True))


def test_the_target_looks_up_the_links_of_the_book():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "links: book ##" in makefile
    assert "jupyter-book build build/book --builder linkcheck" in makefile
