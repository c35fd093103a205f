"""Finding an interpreter's files, and what a machine without a full sandbox is told."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from generator.verify import advice, detection, sandbox
from generator.verify.installation import examine


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment, in a folder that holds other things too."""
    folder = tmp_path / "project" / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    (folder / "notes.txt").write_text("private", encoding="utf-8")
    return folder


def test_only_an_interpreters_own_folders_are_shown(environment: Path) -> None:
    """Its programs and libraries and those of its base, not whatever else lies in its prefix."""
    installation = examine(environment / "bin" / "python", os.environ)
    shown = [name for _, name in installation.roots]
    assert str(environment / "bin") in shown
    assert str(environment / "lib") in shown
    assert str(environment / "pyvenv.cfg") in shown
    assert not any(str(environment / "notes.txt").startswith(name) for name in shown)
    assert all(os.path.isabs(source) and os.path.realpath(source) == source for source, _ in installation.roots)


def test_a_link_on_the_way_is_remembered(environment: Path, tmp_path: Path) -> None:
    """An interpreter may be a link to a link; those outside its own folders are made anew inside."""
    link = tmp_path / "python"
    link.symlink_to(environment / "bin" / "python")
    installation = examine(link, os.environ)
    shown = [name for _, name in installation.roots]
    at = installation.executable
    for target, path in installation.links:
        assert path == at
        at = os.path.join(os.path.dirname(path), target)
    assert any(at.startswith(f"{name}/") for name in shown)


def test_the_loaders_path_is_kept_for_the_interpreters_own_library(environment: Path) -> None:
    """GitHub's set-up action relies on `LD_LIBRARY_PATH`; other folders in it are not taken over."""
    own = f"{environment}/lib"
    found = examine(environment / "bin" / "python", {**os.environ, "LD_LIBRARY_PATH": f"/opt/other:{own}"})
    assert found.loader_path == own


@pytest.mark.parametrize("program", ["/bin/false", "/bin/echo", "/nowhere/python"])
def test_a_program_that_is_no_python_is_an_error(program: str) -> None:
    """Whether it fails, answers nonsense, or is not there."""
    with pytest.raises((OSError, ValueError)):
        examine(Path(program), os.environ)


@pytest.mark.sandbox
def test_an_interpreter_behind_a_link_runs_in_the_sandbox(environment: Path, tmp_path: Path) -> None:
    """Its name leads to it inside as outside."""
    link = tmp_path / "other" / "python"
    link.parent.mkdir()
    link.symlink_to(environment / "bin" / "python")
    for folder in (tmp_path, *tmp_path.parents):
        if "pytest-" in str(folder):
            folder.chmod(0o755)
    found = detection.detect(link, environ={"PATH": os.environ["PATH"]})
    assert (found.state, found.reason) == ("full", "")


@pytest.mark.sandbox
def test_the_project_is_hidden_even_below_usr(tmp_path: Path) -> None:
    """Where a container keeps the project in /usr/src or the like, an empty folder stands in its place."""
    hidden = Path("/usr/share/doc")  # stands for the project: it is there on every Linux, and not empty
    found = detection.detect(Path(sys.executable), environ={"PATH": os.environ["PATH"]}, hidden=(hidden,))
    with_project = _listing(found, hidden)
    assert any(hidden.iterdir())
    assert with_project == "[]"


def _listing(walls: sandbox.Sandbox, folder: Path) -> str:
    launch = walls.launch("inside.confine:probe", ["/"])
    at = launch.argv.index("-c")
    launch.argv[at:] = ["-c", "import os, sys; print(os.listdir(sys.argv[1]))", str(folder)]
    try:
        done = subprocess.run(launch.argv, **launch.options(), capture_output=True, text=True, check=True)
    finally:
        launch.close()
    return done.stdout.strip()


NAMESPACES = "bwrap: setting up uid map: Permission denied"
SETTINGS = [
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor_parser -r"),
]


@pytest.mark.parametrize(("setting", "value", "fix"), SETTINGS)
def test_the_fix_is_for_this_machine(monkeypatch: pytest.MonkeyPatch, setting: str, value: str, fix: str) -> None:
    """A setting that forbids user namespaces is named with the command that changes it."""
    monkeypatch.setattr(advice, "_setting", lambda name: value if name == setting else "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    reason, command = advice.why_not_full(["/usr/bin/bwrap"], [NAMESPACES])
    assert "namespaces" in reason
    assert fix in command
    assert command.startswith("sudo ")


def test_a_container_is_told_its_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a container, the way out is how it is started."""
    monkeypatch.setattr(advice, "_in_container", lambda: True)
    _, fix = advice.why_not_full(["/usr/bin/bwrap"], ["bwrap: No permissions to create new namespace"])
    assert "--security-opt seccomp=unconfined" in fix


def test_an_unreadable_interpreter_is_the_reason() -> None:
    """Where bubblewrap works and the interpreter does not, the interpreter is to be made readable."""
    reason, fix = advice.why_not_full(["/usr/bin/bwrap"], ["PermissionError: /opt/python/lib"])
    assert "PermissionError: /opt/python/lib" in reason
    assert fix == "chmod -R a+rX the interpreter's folder"


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_told_the_truth(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    """No bubblewrap would help there."""
    monkeypatch.setattr(sys, "platform", platform)
    reason, fix = advice.why_not_full([], [])
    assert reason.startswith("the sandbox needs Linux")
    assert "--no-run" in fix
