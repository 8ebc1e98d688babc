"""The GitHub workflow: valid, and free of mistakes that show only once it has run."""

import json
import re

import jsonschema
import pytest
import yaml


@pytest.fixture(scope="module")
def text(root):
    return (root / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def workflow(text):
    found = yaml.safe_load(text)
    found["on"] = found.pop(True)  # YAML 1.1 reads the word "on" as true
    return found


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_valid(root, workflow):
    schema = json.loads((root / "tests/project/data/github-workflow.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft7Validator(schema)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(workflow)] == []
    assert list(validator.iter_errors({**workflow, "jobs": {"test": {"steps": []}}})), "the schema refuses nothing"


def test_expressions_name_what_is_there(text, workflow):
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert set(re.findall(r"\bmatrix\.(\w+)", text)) <= set(matrix)
    ids = {step["id"] for step in steps(workflow) if "id" in step}
    assert set(re.findall(r"\bsteps\.(\w+)\.", text)) <= ids
    written = set(re.findall(r"echo \"(\w+)=[^\"]*\" >> \"\$GITHUB_ENV\"", text)) | set(workflow.get("env", {}))
    assert set(re.findall(r"\benv\.(\w+)", text)) <= written
    for job in workflow["jobs"].values():
        needed = job.get("needs", [])
        assert {needed} if isinstance(needed, str) else set(needed) <= set(workflow["jobs"])
    for value in re.findall(r"matrix\.python == '([^']+)'", text):
        assert value in matrix["python"], "a condition that never holds"


def test_cached_paths_are_absolute_and_plain(workflow):
    paths = [step["with"]["path"] for step in steps(workflow) if step.get("uses", "").startswith("actions/cache@")]
    assert paths
    assert not [path for path in paths if ".." in path], "the cache action refuses such a path when it saves"
    assert "github.workspace }}/.." not in json.dumps(workflow)


def test_what_it_runs_is_what_the_project_has(root, workflow):
    """The same checks as .ci/run: every make target, both Pythons, and the same PyTorch."""
    runs = "\n".join(step.get("run", "") for step in steps(workflow))
    own = (root / ".ci" / "run").read_text(encoding="utf-8")
    for name in ("make env", "make lint typecheck", "make book", "make test", "make test-slow", "make test-bare"):
        assert name in runs, name
        assert name in own, name
    assert re.search(r"torch==\S+", runs)[0] == re.search(r"torch==\S+", own)[0]


def test_pages_are_published_from_what_was_tested_and_only_from_main(workflow, project):
    publish = workflow["jobs"]["publish"]
    assert publish["needs"] == "test"
    assert "refs/heads/main" in publish["if"]
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}
    assert workflow["permissions"] == {"contents": "read"}
    uploads = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/upload-pages-artifact@")]
    (upload,) = uploads
    assert upload["with"]["path"] == "build/_build/html"
    names = [step.get("run", step.get("uses", "")) for step in workflow["jobs"]["test"]["steps"]]
    assert names.index("make test") < names.index(upload["uses"])
    minor = {
        f"3.{version}" for version in range(*map(int, re.findall(r"3\.(\d+)", project["project"]["requires-python"])))
    }
    assert set(workflow["jobs"]["test"]["strategy"]["matrix"]["python"]) == minor
