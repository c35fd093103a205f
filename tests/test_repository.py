"""The files around the code keep what they promise."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = (".ci/requirements.txt", ".ci/requirements-dev.txt")
PROMISE = (
    "cards that did not change are never touched; a changed card keeps its schedule; nothing is duplicated; "
    "nothing disappears"
)


def locked(name: str) -> dict[str, str]:
    """Package -> the requirement with its hashes, from a lock file."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    entries = re.split(r"\n(?=\S)", text.strip())
    return {canonicalize_name(Requirement(entry.split("\\")[0]).name): entry for entry in entries}


def asked_for(lock: str) -> set[str]:
    """Names of the packages that pyproject.toml asks for directly."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = content["project"]["dependencies"] + content["build-system"]["requires"]
    lines += content["project"]["optional-dependencies"]["dev"] if "dev" in lock else []
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_that_is_installed_is_locked_by_hash(lock: str) -> None:
    """Each package stands there in one version with its hashes, and nothing says where to get it from."""
    entries = locked(lock)
    assert asked_for(lock) <= set(entries)
    for entry in entries.values():
        assert re.match(r"[\w.-]+==[\w.]+( ; [^\\]*)?( \\\n +--hash=sha256:[0-9a-f]{64})+$", entry), entry
    assert "://" not in (ROOT / lock).read_text()


def test_the_two_locks_agree() -> None:
    """What tests run against is what users get: the same version of every package that both hold."""
    users, developers = locked(LOCKS[0]), locked(LOCKS[1])
    for name, entry in users.items():
        assert developers[name].split(" ")[0] == entry.split(" ")[0]


def test_the_readme_begins_with_the_two_commands() -> None:
    """A reader copies the first two blocks and has a deck and a test run."""
    blocks = re.findall(r"```\w*\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks[:2] == ["python3 -m generator.bootstrap build\n", "python3 -m generator.bootstrap test\n"]


def test_the_readme_gives_the_promise_word_for_word() -> None:
    """What learners rely on is in the README exactly as it was agreed, with its limits below it."""
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert PROMISE in text
    assert text.index("What we cannot promise") > text.index(PROMISE)


def test_every_file_that_the_documents_name_is_there() -> None:
    """A path in backquotes or a relative link leads somewhere."""
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        named = re.findall(r"`((?:generator|source_notes|tests|\.ci)/[^`<* ]*)`", text)
        named += re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
        assert named
        for path in named:
            assert (ROOT / path).exists(), f"{document} names {path}"


def test_the_workflow_calls_the_same_script_with_few_rights() -> None:
    """CI on GitHub runs `.ci/run` on the oldest Python, may only read, and leaves no credentials behind."""
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    job = workflow["jobs"]["everything"]
    assert {"run": ".ci/run"} in job["steps"]
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert oldest in job["strategy"]["matrix"]["python"]
    for name in workflow["jobs"]:
        checkout = workflow["jobs"][name]["steps"][0]
        assert checkout["with"]["persist-credentials"] is False
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_a_wheel_works_alone(tmp_path: Path) -> None:
    """Built and unpacked elsewhere, it makes a new deck and builds it: nothing it needs stayed in the clone."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    alone = tmp_path / "alone"
    with zipfile.ZipFile(wheel) as file:
        tops = {name.split("/")[0] for name in file.namelist()}
        assert {top for top in tops if not top.endswith(".dist-info")} == {"generator"}
        file.extractall(alone)
    place = tmp_path / "elsewhere"
    place.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(alone), "PYTHONSAFEPATH": "1"}
    where = [sys.executable, "-c", "import generator; print(generator.__file__)"]
    found = subprocess.run(where, cwd=place, env=environment, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(alone)
    for arguments in (["init"], []):
        command = [sys.executable, "-m", "generator", *arguments]
        run = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
    assert (place / "output" / "elsewhere.apkg").stat().st_size > 0


def test_what_runs_beside_a_snippet_needs_the_standard_library_alone() -> None:
    """It runs under interpreters in which nothing of ours is installed: every import is Python's or its neighbour's."""
    files = sorted((ROOT / "generator/verify/inside").glob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            outside = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
            assert not outside, f"{file.name}, line {node.lineno}: {outside}"
            assert not (isinstance(node, ast.ImportFrom) and node.level > 1), f"{file.name}, line {node.lineno}"
