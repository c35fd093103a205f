"""The walls around a snippet, tried from behind. Needs bubblewrap and a kernel that lets it work."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boxes import FULL, NONE, PARTIAL, Box, box, open_folder

from generator.verify import detection
from generator.verify.interpreters import find
from generator.verify.launch import launcher
from generator.verify.sandbox import Limits

pytestmark = pytest.mark.sandbox
WALLED = {**FULL, **PARTIAL}


def _boxes(kinds: dict[str, Any]) -> Any:
    @pytest.fixture(scope="module", params=list(kinds), ids=list(kinds))
    def opened(request: pytest.FixtureRequest) -> Iterator[Box]:
        with box(kinds[request.param]) as one:
            yield one

    return opened


full = _boxes(FULL)
partial = _boxes(PARTIAL)
walled = _boxes(WALLED)
bare = _boxes(NONE)


@pytest.fixture(scope="module")
def host() -> Iterator[dict[str, Any]]:
    """What a machine has that no snippet may reach; everybody on the machine may read the files."""
    folder = open_folder()
    secret = folder / "secret"
    secret.write_text("hunter2", encoding="utf-8")
    at_home = Path.home() / f".make-deck-test-{os.getpid()}"
    at_home.write_text("hunter2", encoding="utf-8")
    name = f"make-deck-test-{os.getpid()}"
    port, abstract, path = socket.socket(), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    process = subprocess.Popen(["sleep", "600"], env={"SECRET": "hunter2"})
    try:
        with port, abstract, path:
            port.bind(("127.0.0.1", 0))
            abstract.bind(f"\0{name}")
            path.bind(str(folder / "socket"))
            os.chmod(folder / "socket", 0o777)  # noqa: S103 - only the walls shall be in the way
            for listener in (port, abstract, path):
                listener.listen()
            yield {
                "secret": str(secret),
                "home": str(at_home),
                "repo": __file__,
                "port": port.getsockname()[1],
                "socket": str(folder / "socket"),
                "abstract": name,
                "pid": process.pid,
            }
    finally:
        process.kill()
        process.wait()
        at_home.unlink()
        shutil.rmtree(folder)


CALL = """
    import ctypes, os
    libc = ctypes.CDLL(None, use_errno=True)
    def number(x86, arm):
        return x86 if os.uname().machine == "x86_64" else arm
    def call(*arguments):
        result = libc.syscall(*map(ctypes.c_long, arguments))
        if result < 0:
            raise OSError(ctypes.get_errno(), "call")
        return result
"""

ATTACKS = {
    "read a file": "open(HOST['secret']).read()",
    "read the home folder": "open(HOST['home']).read()",
    "read the project": "open(HOST['repo']).read()",
    "list a folder": "import os; os.listdir(os.path.dirname(HOST['secret']))",
    "read the environment of a process": """
        import os
        found = False
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    found = found or b"hunter2" in open("/proc/" + name + "/environ", "rb").read()
                except OSError:
                    pass
        if not found:
            raise OSError("nothing")
    """,
    "connect to a port": "import socket; socket.create_connection(('127.0.0.1', HOST['port']), 2)",
    "connect to an abstract socket": "import socket; socket.socket(socket.AF_UNIX).connect('\\0' + HOST['abstract'])",
    "connect to a socket by its path": "import socket; socket.socket(socket.AF_UNIX).connect(HOST['socket'])",
    "aim a datagram at a path": """
        import socket
        socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].connect(HOST['socket'])
    """,
    "signal a process": "import os; os.kill(HOST['pid'], 0)",
    "write to a folder of all": "open('/etc/make-deck-test', 'w')",
    "change a mode": "import os, inside.tiny; os.chmod(inside.tiny.__file__, 0o600)",
    "change a time": "import os, inside.tiny; os.utime(inside.tiny.__file__, (0, 0))",
    "write to the verifier": "import inside.tiny; open(inside.tiny.__file__, 'a')",
    "make a user namespace": CALL + "    call(number(272, 97), 0x10000000)",
    "clone into a namespace": CALL
    + """
    if call(number(56, 220), 0x10000000 | 17, 0, 0, 0, 0) == 0:
        os._exit(0)
    """,
    "open a vsock": "import socket; socket.socket(40, socket.SOCK_STREAM)",
    "open the kernel's crypto": "import socket; socket.socket(38, 5)",
    "open a netlink socket": "import socket; socket.socket(16, socket.SOCK_RAW)",
    "make a key": CALL + "    call(number(250, 219), 0, -3, 1)",
    "make shared memory that stays": CALL + "    call(number(29, 194), 0, 4096, 0o1600)",
    "trace the server": CALL + "    call(number(101, 117), 16, os.getppid(), 0, 0)",
    "read the server's memory": "import os; open('/proc/' + str(os.getppid()) + '/mem', 'rb')",
    "read the server's map": "import os; print(open('/proc/' + str(os.getppid()) + '/maps').read())",
    "limit the server": "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (4, 4))",
    "slow the server down": "import os; os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "slow all of the user down": "import os; os.setpriority(os.PRIO_USER, 0, 19)",
    "signal the server": "import os; os.kill(os.getppid(), 0)",
    "keep memory in no file system": "import os; os.memfd_create('x')",
    "raise a limit": "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (1000, 1000))",
}


def _attack(name: str, host: dict[str, Any]) -> str:
    code = textwrap.indent(textwrap.dedent(ATTACKS[name]), "    ")
    ends = "except (OSError, ValueError) as error:\n    print('refused', error)\nelse:\n    print('REACHED')\n"
    return f"HOST = {host!r}\ntry:\n{code}\n{ends}"


@pytest.mark.parametrize("name", ATTACKS)
def test_no_wall_gives_way(walled: Box, host: dict[str, Any], name: str) -> None:
    """Nothing of the machine outside is reached, whether by files, sockets, processes or odd system calls."""
    ran = walled.run(_attack(name, host))
    assert ran.output.startswith("refused"), ran


def test_the_kernel_sees_an_ordinary_user(walled: Box) -> None:
    """Neither the server nor anything in it is root for the kernel, whoever started it."""
    inside = {walled.process.pid: _status(walled.process.pid)}
    for _ in range(2):  # bubblewrap, the server
        for pid in filter(str.isdigit, os.listdir("/proc")):
            status = _status(int(pid))
            if int(status.get("PPid", 0)) in inside:
                inside[int(pid)] = status
    if walled.launch.config["namespaces"]:
        del inside[walled.process.pid]  # bubblewrap itself, outside its walls
    assert inside
    assert all("0" not in status["Uid"].split() for status in inside.values())


def _status(pid: int) -> dict[str, str]:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


BOMBS = {
    "processes": """
        import os, signal, time
        count = 0
        try:
            while count < 500:
                if not os.fork():
                    time.sleep(60)
                count += 1
        except BlockingIOError:
            print("stopped", count)
    """,
    "threads": """
        import threading, time
        count = 0
        try:
            while count < 500:
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
                count += 1
        except (RuntimeError, MemoryError):
            print("stopped", count)
    """,
    "memory": """
        try:
            bytearray(1 << 30)
        except MemoryError:
            print("stopped")
    """,
    "a file": """
        try:
            with open("big", "wb") as file:
                for _ in range(20):
                    file.write(bytes(1 << 20))
        except OSError as error:
            print("stopped", error)
    """,
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_one_snippet_takes_is_bounded(walled: Box, name: str) -> None:
    """Processes, threads, memory and the size of a file end at the limits."""
    ran = walled.run(textwrap.dedent(BOMBS[name]))
    assert ran.output.startswith("stopped"), ran
    assert ran.clean


def test_many_processes_share_one_bound_of_memory(walled: Box) -> None:
    """Each within its own limit, together beyond that of the tree: noticed while they run."""
    code = """
        import os, time
        for _ in range(6):
            if not os.fork():
                held = bytearray(b"x") * (300 << 20)
                time.sleep(60)
        time.sleep(60)
    """
    assert walled.run(textwrap.dedent(code)).over == "memory"


def test_the_scratch_folder_is_bounded(walled: Box) -> None:
    """Many files below the limit of one fill no disk: the file system is full, or the server notices."""
    code = """
        try:
            for number in range(100):
                with open(str(number), "wb") as file:
                    file.write(bytes(15 << 20))
        except OSError as error:
            print("full", error)
    """
    ran = walled.run(textwrap.dedent(code))
    assert ran.over == "scratch" or ran.output.startswith("full"), ran
    assert ran.clean


def test_empty_files_are_bounded(walled: Box) -> None:
    """50,000 files without a byte are noticed, and are gone afterwards."""
    ran = walled.run("import time\nfor n in range(50_000):\n    open(str(n), 'w').close()\ntime.sleep(60)\n")
    assert ran.over == "scratch"
    assert ran.clean


LEFTOVERS = {
    "a deep tree": """
        import os
        for _ in range(10_000):
            os.mkdir("d")
            os.chdir("d")
    """,
    "folders that cannot be read": """
        import os
        os.umask(0)
        os.makedirs("a/b/c")
        open("a/b/c/file", "w").close()
        os.mkdir("shut", 0)
        for name in ("a/b/c", "a/b", "a", "..", "../.."):
            try:
                os.chmod(name, 0)
            except OSError:
                pass
    """,
    "a queue, a socket file, links": """
        import os
        os.mkfifo("queue")
        os.symlink("/usr", "out")
        os.symlink(".", "self")
        os.mkdir("x" * 255)
        os.link("queue", "queue2")
        os.rmdir("../tmp")
        os.symlink("/etc", "../tmp")
    """,
}


@pytest.mark.parametrize("name", LEFTOVERS)
def test_nothing_stays_in_the_scratch_folder(walled: Box, name: str) -> None:
    """Whatever a snippet leaves there, the next one finds it new."""
    assert walled.run(textwrap.dedent(LEFTOVERS[name])).clean
    ran = walled.run("import os; print(os.listdir('.'), os.listdir('../tmp'), sorted(os.listdir('..')))")
    assert ran.output == "['note.py'] [] ['home', 'shm', 'tmp']"


DAEMONS = {
    "a daemon": """
        import os, signal, time
        if not os.fork():
            os.setsid()
            if not os.fork():
                for number in (1, 2, 15):
                    signal.signal(number, signal.SIG_IGN)
                time.sleep(600)
            os._exit(0)
        time.sleep(0.2)
    """,
    "a stopped process": """
        import os, signal, time
        child = os.fork()
        if not child:
            time.sleep(600)
        os.kill(child, signal.SIGSTOP)
    """,
    "processes that fork for ever": """
        import os, time
        for _ in range(8):
            if not os.fork():
                os.setsid()
                while True:
                    try:
                        if os.fork():
                            os._exit(0)
                    except BlockingIOError:
                        pass
        time.sleep(0.2)
    """,
}


@pytest.mark.parametrize("name", DAEMONS)
def test_no_process_outlives_its_snippet(walled: Box, name: str) -> None:
    """What is left running is killed and counted, and then nothing is there any more."""
    assert walled.run(textwrap.dedent(DAEMONS[name])).left > 0
    assert walled.run("print('alone')").left == 0


def test_a_snippet_cannot_end_its_server(walled: Box) -> None:
    """Signals to the server, to its group and to everybody leave it serving."""
    code = """
        import os, signal
        for target in (os.getppid(), -1):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGSTOP, signal.SIGKILL):
                try:
                    os.kill(target, number)
                except OSError:
                    pass
        print("done")
    """
    walled.run(textwrap.dedent(code))
    assert walled.run("print('next')").output == "next"


@pytest.mark.parametrize("name", WALLED)
def test_a_server_can_be_killed_at_any_moment(name: str) -> None:
    """`Launch.kill` ends the server and what runs in it, though bubblewrap stands between."""
    with box(WALLED[name]) as one:
        one.control.send(b"import time; time.sleep(600)")
        one.launch.kill(one.process)
        with contextlib.suppress(ConnectionResetError):  # it had not read the code yet
            assert one.control.recv(10) == b""  # nobody holds the other end any more


@pytest.mark.parametrize("name", WALLED)
def test_a_server_ends_when_nobody_is_left_to_serve(name: str) -> None:
    """When the other end of its socket is closed, the whole tree ends by itself."""
    with box(WALLED[name]) as one:
        one.control.close()
        assert one.process.wait(10) == 0


LESSONS = {
    "loopback": """
        import asyncio
        async def serve(reader, writer):
            writer.write(await reader.readline())
            writer.close()
        async def main():
            server = await asyncio.start_server(serve, "localhost", 0)
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("localhost", port)
            writer.write(b"ok\\n")
            print((await reader.readline()).decode().strip())
            writer.close()
            server.close()
        asyncio.run(main())
    """,
    "datagrams": """
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", 0))
            one.sendto(b"ok", one.getsockname())
            print(one.recv(9).decode())
    """,
    "unix sockets": """
        import asyncio, tempfile
        async def serve(reader, writer):
            writer.write(b"ok")
            writer.close()
        async def main():
            with tempfile.TemporaryDirectory() as folder:
                server = await asyncio.start_unix_server(serve, folder + "/socket")
                reader, writer = await asyncio.open_unix_connection(folder + "/socket")
                print((await reader.read()).decode())
                writer.close()
                server.close()
        asyncio.run(main())
    """,
    "a process pool": """
        from concurrent.futures import ProcessPoolExecutor
        import multiprocessing
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
            print("ok" if list(pool.map(abs, [-1, -2])) == [1, 2] else "wrong")
    """,
    "shared memory": """
        from multiprocessing import shared_memory
        one = shared_memory.SharedMemory(create=True, size=100)
        one.close()
        one.unlink()
        print("ok")
    """,
}
ANYWHERE = {
    "subprocesses": """
        import asyncio, subprocess, sys
        async def main():
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('o', end='')", stdout=-1)
            out, _ = await process.communicate()
            process = await asyncio.create_subprocess_shell("echo k", stdout=-1)
            print((out + (await process.communicate())[0]).decode())
        asyncio.run(main())
    """,
    "threads": """
        import asyncio, threading
        async def main():
            await asyncio.gather(*(asyncio.to_thread(threading.get_ident) for _ in range(16)))
        asyncio.run(main())
        print("ok")
    """,
    "temporary files": """
        import os, tempfile, pathlib
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "x")
            path.write_text("ok")
            path.rename(path.with_name("y"))
            print(path.with_name("y").read_text())
        with open(os.devnull, "w") as null:
            null.write("x")
    """,
    "a signal to oneself": """
        import asyncio, os, signal
        async def main():
            heard = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
            os.kill(os.getpid(), signal.SIGUSR1)
            await heard.wait()
            print("ok")
        asyncio.run(main())
    """,
    "Ctrl-C": """
        import signal
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("ok")
    """,
    "modules": """
        import datetime, getpass, locale, sqlite3, ssl, time, zoneinfo
        ssl.create_default_context()
        assert time.tzname[0] == "UTC", time.tzname
        print("ok")
    """,
    "errors that any machine gives": """
        import os, pathlib, shutil, socket
        for act in (
            lambda: open("/no/such/folder/file", "w"),
            lambda: open("missing"),
            lambda: os.remove("/etc/missing"),
            lambda: os.mkdir("/usr"),
            lambda: os.listdir("/nowhere"),
            lambda: os.chmod("missing", 0o600),
        ):
            try:
                act()
            except OSError:
                pass
        pathlib.Path("a").mkdir()
        shutil.rmtree("a")
        print("ok" if not os.path.exists("/etc/shadow2") else "")
    """,
}


@pytest.mark.parametrize("name", [*LESSONS, *ANYWHERE])
def test_lessons_run_as_anywhere(full: Box, name: str) -> None:
    """What an asyncio deck teaches works behind all walls, and nothing of it counts as a refusal."""
    ran = full.run(textwrap.dedent({**LESSONS, **ANYWHERE}[name]))
    assert (ran.output, ran.attempts, ran.left, ran.status) == ("ok", (), 0, 0)


@pytest.mark.parametrize("name", ANYWHERE)
def test_lessons_without_sockets_run_in_a_partial_sandbox(partial: Box, name: str) -> None:
    """Landlock and the call filter leave alone what touches neither sockets nor modes and times of files."""
    ran = partial.run(textwrap.dedent(ANYWHERE[name]))
    assert (ran.output, ran.attempts, ran.left, ran.status) == ("ok", (), 0, 0)


ATTEMPTS = {
    "open('/etc/passwd', 'a')": "open /etc/passwd for writing",
    "open('/etc/new', 'x')": "open /etc/new for writing",
    "import os; os.remove('/etc/passwd')": "os.remove of /etc/passwd",
    "import os; os.mkdir('/usr/x')": "os.mkdir to /usr/x",
    "import os; os.rename('note.py', '/usr/x')": "os.rename to /usr/x",
    "import os; os.kill(os.getppid(), 9)": "send signal 9 to the verifier",
    "import os; open(f'/proc/{os.getppid()}/environ')": "read /proc/{server}/environ",
    "import socket; socket.socket(16, 3)": "open a socket (AF_NETLINK)",
}
ON_THE_NETWORK = {
    "import socket; socket.create_connection(('192.0.2.1', 80), 1)": "reach 192.0.2.1 over the network",
    "import socket; socket.getaddrinfo('example.com', 80)": "reach example.com over the network",
    "import asyncio; asyncio.run(asyncio.open_connection('example.com', 80))": "reach example.com over the network",
}


@pytest.mark.parametrize("code", [*ATTEMPTS, *ON_THE_NETWORK])
def test_a_caught_refusal_is_still_noticed(full: Box, code: str) -> None:
    """What was tried is told in words, even when the snippet hides the error."""
    ran = full.run(f"try:\n    {code}\nexcept OSError:\n    pass\n")
    assert ran.attempts == ({**ATTEMPTS, **ON_THE_NETWORK}[code].format(server=1),)


def test_a_name_that_nobody_has_is_no_attempt(full: Box) -> None:
    """A lesson on failing look-ups can use the names reserved for it."""
    code = (
        "import socket\ntry:\n    socket.getaddrinfo('host.invalid', 80)\nexcept socket.gaierror as e:\n    print('ok')"
    )
    ran = full.run(code)
    assert (ran.output, ran.attempts) == ("ok", ())


@pytest.mark.parametrize("call", ["socket.socket()", "os.chmod('note.py', 0o600)", "open('/etc/hostname')"])
def test_a_partial_sandbox_tells_what_it_cannot_run(partial: Box, call: str) -> None:
    """Sockets, modes, and files that a full sandbox would not have: all noticed."""
    ran = partial.run(f"import os, socket\ntry:\n    {call}\nexcept OSError:\n    pass\n")
    assert len(ran.attempts) == 1


def test_a_fixed_port_is_told(full: Box) -> None:
    """So that the next snippet need not find the port taken."""
    bind = "import socket\nwith socket.socket() as one:\n    one.bind(('127.0.0.1', {}))"
    assert full.run(bind.format(8888)).fixed_port
    assert not full.run(bind.format(0)).fixed_port


def test_a_hidden_folder_cannot_be_written() -> None:
    """Where something lies in front of one, nobody empties it: without Landlock, too, it is no place to write."""
    for walls in FULL.values():
        with box(replace(walls, landlock=0)) as one:
            assert one.run("open('/usr/src/left', 'w')").output.startswith("OSError(30")


def test_the_repository_is_hidden_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container it may lie below /usr, all of which a snippet sees; its `.git` may hold a token."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert tmp_path in launcher(find(""), require_sandbox=False).sandbox.hidden


def test_a_single_program_is_not_the_first_process() -> None:
    """A server is, so that it reaps orphans; a program is not: process 1 ignores the signals it does not handle."""
    first = [FULL["full"].launch("module:function", as_pid_1=wanted) for wanted in (True, False)]
    for launch in first:
        launch.close()
    assert ["--as-pid-1" in launch.argv for launch in first] == [True, False]


def test_limits_can_be_lowered() -> None:
    """What a deck asks for holds instead of the usual limits."""
    with box(FULL["full"], Limits(memory=128 << 20, processes=5)) as small:
        assert small.run("bytearray(200 << 20)").output == "MemoryError()"
        assert small.run(textwrap.dedent(BOMBS["processes"])).output in {f"stopped {n}" for n in range(6)}


# --- detection -------------------------------------------------------------------------------------------------------


def _environ(**changed: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name != "MAKE_DECK_SANDBOX"}, **changed}


def test_this_machine_has_a_full_sandbox() -> None:
    """With bubblewrap and namespaces all walls stand, and nothing is to be fixed."""
    found = detection.detect(Path(sys.executable), environ=_environ())
    assert (found.state, found.reason, found.fix) == ("full", "", "")
    assert found.describe().startswith("full (bubblewrap ")


def test_a_bubblewrap_that_fails_leaves_a_partial_sandbox(tmp_path: Path) -> None:
    """As where user namespaces are forbidden: Landlock holds, and the program's own words are the reason."""
    fake = tmp_path / "bwrap"
    fake.write_text(
        "#!/bin/sh\ncase $1 in --help) echo --perms --size;; --version) echo bubblewrap 0.9;;"
        " *) echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1;; esac\n",
        encoding="utf-8",
    )
    fake.chmod(0o755)
    found = detection.detect(Path(sys.executable), environ=_environ(PATH=f"{tmp_path}:/usr/bin:/bin"))
    assert found.state == "partial"
    assert found.reason
    assert found.fix


def test_without_bubblewrap_the_fix_is_to_install_it(tmp_path: Path) -> None:
    """The reason is a sentence, the fix a command."""
    found = detection.detect(Path(sys.executable), environ=_environ(PATH=str(tmp_path)))
    assert (found.state, found.reason) == ("partial", "bubblewrap is not installed")
    assert "bubblewrap" in found.fix


def test_less_can_be_asked_for() -> None:
    """The weaker states can be tried on any machine, and say that they were asked for."""
    found = detection.detect(Path(sys.executable), environ=_environ(MAKE_DECK_SANDBOX="none"))
    assert (found.state, found.reason) == ("none", "MAKE_DECK_SANDBOX asks for it")


def test_an_interpreter_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    """No state is made up for a program that is no Python."""
    with pytest.raises(OSError, match="does not run"):
        detection.detect(Path("/bin/false"), environ=_environ())
