"""The README's two commands, on projects small enough to be installed without a network."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

GENERATOR = Path(__file__).parent.parent / "generator"
OLD_READABLE = ("__init__.py", "__main__.py", "bootstrap.py")

BACKEND = """\
import zipfile
from pathlib import Path

WHEEL = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def build_editable(folder, settings=None, metadata=None):
    name = "project-1.0-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        wheel.writestr("project.pth", str(Path.cwd()))
        wheel.writestr("project-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: project\\nVersion: 1.0\\n")
        wheel.writestr("project-1.0.dist-info/WHEEL", WHEEL)
        wheel.writestr("project-1.0.dist-info/RECORD", "")
    return name
"""
COMMAND = """\
import json, sys
import locked_package
print(json.dumps([sys.argv[1:], sys.prefix]))
raise SystemExit(7)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "a project é")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose environment was made; every test that damages it has it made anew."""
    root = make_project(tmp_path_factory.mktemp("shared") / "project")
    assert bootstrap(root, "build").returncode == 7
    return root


def make_project(root: Path) -> Path:
    """A project whose `build` prints its arguments and exits 7, and whose lock file holds one package."""
    (root / "generator").mkdir(parents=True)
    for name in ("__init__.py", "bootstrap.py", "environment.py"):
        shutil.copy(GENERATOR / name, root / "generator")
    (root / "generator" / "__main__.py").write_text(COMMAND)
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(
        '[project]\nname = "project"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    wheel = root / "locked_package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("locked_package.py", "")
        file.writestr(
            "locked_package-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: locked-package\nVersion: 1.0\n"
        )
        file.writestr(
            "locked_package-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr("locked_package-1.0.dist-info/RECORD", "")
    (root / ".ci").mkdir()
    line = f"{wheel.as_uri()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    for lock in ("requirements.txt", "requirements-dev.txt"):
        (root / ".ci" / lock).write_text(line)
    return root


def bootstrap(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    return subprocess.run(
        [sys.executable, "-m", "generator.bootstrap", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )


def made(run: subprocess.CompletedProcess[str]) -> bool:
    return "making .venv" in run.stderr


def test_build_installs_runs_and_is_quick_the_second_time(project: Path) -> None:
    """The command runs in .venv with its arguments; its status comes back; what is whole is used again."""
    first = bootstrap(project, "build", "-o", "x y")
    assert (first.returncode, made(first)) == (7, True), first.stderr
    assert json.loads(first.stdout) == [["build", "-o", "x y"], str(project / ".venv")]
    second = bootstrap(project, "build")
    assert (second.returncode, second.stderr) == (7, "")


@pytest.mark.parametrize("damage", ["python gone", "package gone", "interrupted", "other lock"])
def test_an_environment_that_does_not_fit_is_made_anew(installed: Path, damage: str) -> None:
    """A broken, unfinished or outdated environment never runs the command; a new one does."""
    environment = installed / ".venv"
    if damage == "python gone":
        shutil.rmtree(environment / ("Scripts" if os.name == "nt" else "bin"))
    elif damage == "package gone":
        next(environment.rglob("locked_package.py")).unlink()
    elif damage == "interrupted":
        (environment / "make-deck.json").write_text("{}")
    else:
        with (installed / ".ci" / "requirements.txt").open("a") as lock:
            lock.write("# a new line\n")
    again = bootstrap(installed, "build")
    assert (again.returncode, made(again)) == (7, True), again.stderr


@pytest.mark.parametrize(
    ("kept", "told"),
    [(-9, "THESE PACKAGES DO NOT MATCH THE HASHES"), (-len(" --hash=sha256:") - 65, "Hashes are required")],
)
def test_a_package_that_is_not_the_locked_one_is_refused(project: Path, kept: int, told: str) -> None:
    """Another content under the same name, or none that is named: exit 4 with pip's words, and nothing is installed."""
    lock = project / ".ci" / "requirements.txt"
    lock.write_text(lock.read_text()[:kept] + ("00000000\n" if kept == -9 else "\n"))
    run = bootstrap(project, "build")
    assert (run.returncode, told in run.stderr) == (4, True), run.stderr
    assert json.loads((project / ".venv" / "make-deck.json").read_text()) == {}


def test_without_ensurepip_the_machines_pip_is_borrowed(project: Path, tmp_path: Path) -> None:
    """Where `venv` cannot bring pip, as on Debian without python3-venv, the environment works all the same."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text("import sys\nsys.modules['ensurepip'] = None\n")
    program = (
        "import sys; sys.path.insert(0, '.'); from generator import environment\n"
        "environment.LEAKING = ()\nraise SystemExit(environment.main(['build']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(blocked)},
        capture_output=True,
        encoding="utf-8",
    )
    assert run.returncode == 7, run.stderr


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_folder_of_somebody_else_is_left_alone(project: Path, kind: str) -> None:
    """What is called .venv and is no virtual environment is not touched: exit 4 with a way out."""
    place = project / ".venv"
    precious = project / "elsewhere" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    if kind == "folder":
        precious.parent.rename(place)
        precious = place / "thesis.txt"
    elif kind == "file":
        place.write_text("years of work")
        precious = place
    else:
        place.symlink_to(precious.parent, target_is_directory=True)
    run = bootstrap(project, "build")
    assert (run.returncode, "move it away" in run.stderr) == (4, True)
    assert precious.read_text() == "years of work"


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["biuld"], 2), (["--help"], 0)])
def test_usage(project: Path, arguments: list[str], status: int) -> None:
    """No command or an unknown one prints the usage and makes nothing."""
    run = bootstrap(project, *arguments)
    assert run.returncode == status
    assert "usage: python3 -m generator.bootstrap build" in run.stdout + run.stderr
    assert not (project / ".venv").exists()


@pytest.mark.parametrize("module", ["generator.bootstrap", "generator"])
@pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 13)])
def test_an_older_python_is_told_so(module: str, version: tuple[int, int, int]) -> None:
    """It gets a sentence with the version found and what to do, and exit 2."""
    program = (
        "import runpy, sys\n"
        f"sys.version_info = {(*version, 'final', 0)}\n"
        f"runpy.run_module({module!r}, run_name='__main__')\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=GENERATOR.parent, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.startswith(f"make-deck needs Python 3.11 or newer; this is Python {'.'.join(map(str, version))}")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("name", OLD_READABLE)
def test_what_an_older_python_reads_it_can_read(name: str) -> None:
    """No syntax that Python 2.7 or an early 3 lacks: those would stop at a SyntaxError before the sentence."""
    text = (GENERATOR / name).read_text(encoding="utf-8")
    assert text.isascii()
    tree = ast.parse(text)
    new = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef, ast.Nonlocal)
    for node in ast.walk(tree):
        assert not isinstance(node, new), ast.unparse(node)
        assert not (isinstance(node, ast.Raise) and node.cause), ast.unparse(node)
        assert not (isinstance(node, ast.arg) and node.annotation), ast.unparse(node)
        assert not (isinstance(node, ast.FunctionDef) and node.returns), node.name
        assert not (isinstance(node, ast.Call) and ast.unparse(node.func) == "print"), "a statement to Python 2"
        assert not (isinstance(node, (ast.Tuple, ast.List)) and any(isinstance(n, ast.Starred) for n in node.elts))
