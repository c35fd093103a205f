"""A corpus of snippets to measure with: many kinds, a third of them sleeping, each with the output it must give."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from string import Template
from textwrap import indent

PAUSES = (0.05, 0.1, 0.1, 0.2, 0.3, 0.5, 1.0)  # seconds that a sleeping snippet sleeps
PER_FILE = 50

HEAD = "---\ndeck: Part {number}\n---\n"
CONFIG = 'format: 1\nname: Benchmark\nnamespace: make-deck.benchmark\nprelude: "import asyncio"\n'


@dataclass(frozen=True, slots=True)
class Snippet:
    """A program with top-level await, and what it prints. `seconds` is what it sleeps on a real clock."""

    name: str
    code: str
    output: str
    seconds: float

    @property
    def wrapped(self) -> str:
        """The same program for a plain interpreter: inside `async def main()` and `asyncio.run`, if it awaits."""
        if "await" not in self.code and "async with" not in self.code:
            return f"import asyncio\n\n{self.code}\n"
        if "asyncio.run(" in self.code or ".Runner(" in self.code:
            return f"import asyncio\n\n{self.code}\n"
        return f"import asyncio\n\n\nasync def main():\n{indent(self.code, '    ')}\n\n\nasyncio.run(main())\n"


def snippets(count: int, seed: int = 1) -> list[Snippet]:
    """`count` different snippets, the kinds in turn; the same ones in every run."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    names, made = list(KINDS), []
    for number in range(count):
        name = names[number % len(names)]
        pause = draw.choice(PAUSES) if (number + number // len(names)) % 3 == 0 else 0.0
        values = {"n": number, "next": number + 1, "double": 2 * number, "pause": f"{pause:g}"}
        code, output = (Template(text).substitute(values).strip("\n") for text in KINDS[name])
        made.append(Snippet(name, code, output, pause))
    return made


def write_deck(folder: Path, corpus: list[Snippet]) -> None:
    """The corpus as a deck of notes, each a block of Python and its `output`."""
    folder.mkdir(parents=True)
    (folder / "deck.yaml").write_text(CONFIG, encoding="utf-8")
    for start in range(0, len(corpus), PER_FILE):
        number = start // PER_FILE + 1
        notes = "".join(
            f"\n## What does {item.name} {index} print?\n<!-- id: snippet-{index} -->\n\n"
            f"```python\n{item.code}\n```\n\n```output\n{item.output}\n```\n"
            for index, item in enumerate(corpus[start : start + PER_FILE], start)
        )
        (folder / f"{number:03}-part.md").write_text(HEAD.format(number=number) + notes, encoding="utf-8")


def write_markdown(folder: Path, corpus: list[Snippet]) -> list[Path]:
    """The corpus as Markdown files with a block of Python for each snippet, wrapped, as other tools can run them."""
    folder.mkdir(parents=True)
    paths = []
    for start in range(0, len(corpus), PER_FILE):
        path = folder / f"part_{start // PER_FILE + 1:03}.md"
        part = corpus[start : start + PER_FILE]
        path.write_text("".join(f"## Snippet\n\n```python\n{item.wrapped}```\n\n" for item in part), encoding="utf-8")
        paths.append(path)
    return paths


KINDS: dict[str, tuple[str, str]] = {
    "type-of-coroutine": (
        """
async def work():
    return $n

coro = work()
print(type(coro))
await asyncio.sleep($pause)
print(await coro)
""",
        "<class 'coroutine'>\n$n",
    ),
    "await": (
        """
async def double(x):
    await asyncio.sleep($pause)
    return 2 * x

print(await double($n))
""",
        "$double",
    ),
    "gather": (
        """
async def work(x):
    await asyncio.sleep($pause)
    return x

print(await asyncio.gather(work($n), work($next)))
""",
        "[$n, $next]",
    ),
    "gather-exceptions": (
        """
async def work(x):
    await asyncio.sleep($pause)
    if x > $n:
        raise ValueError(x)
    return x

print(await asyncio.gather(work($n), work($next), return_exceptions=True))
""",
        "[$n, ValueError($next)]",
    ),
    "wait-first": (
        """
async def work(x, pause):
    await asyncio.sleep(pause)
    return x

tasks = [asyncio.create_task(work(x, pause)) for x, pause in (($n, $pause), ($next, 2))]
done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
print([task.result() for task in done], len(pending))
for task in pending:
    task.cancel()
await asyncio.gather(*pending, return_exceptions=True)
""",
        "[$n] 1",
    ),
    "as-completed": (
        """
async def work(x, turns):
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.sleep($pause)
    return x

for future in asyncio.as_completed([work($n, 1), work($next, 1)]):
    print(type(await future).__name__)
""",
        "int\nint",
    ),
    "queue": (
        """
async def produce(queue):
    for x in range(3):
        await queue.put(x + $n)
        await asyncio.sleep($pause / 3)
    await queue.put(None)

queue = asyncio.Queue(maxsize=1)
task = asyncio.create_task(produce(queue))
total = 0
while (item := await queue.get()) is not None:
    total += item
await task
print(total - 3 * $n)
""",
        "3",
    ),
    "queue-workers": (
        """
async def worker(queue, seen):
    while True:
        seen.append(await queue.get())
        await asyncio.sleep($pause / 2)
        queue.task_done()

queue, seen = asyncio.Queue(), []
for x in range(4):
    queue.put_nowait($n + x)
workers = [asyncio.create_task(worker(queue, seen)) for _ in range(2)]
await queue.join()
for task in workers:
    task.cancel()
await asyncio.gather(*workers, return_exceptions=True)
print(len(seen), min(seen))
""",
        "4 $n",
    ),
    "priority-queue": (
        """
queue = asyncio.PriorityQueue()
for priority in (3, 1, 2):
    await queue.put((priority, "job $n"))
await asyncio.sleep($pause)
while not queue.empty():
    print(queue.get_nowait())
""",
        "(1, 'job $n')\n(2, 'job $n')\n(3, 'job $n')",
    ),
    "task-group": (
        """
async def work(x):
    await asyncio.sleep($pause)
    return x

async with asyncio.TaskGroup() as group:
    first = group.create_task(work($n))
    second = group.create_task(work($next))
print(first.result(), second.result())
""",
        "$n $next",
    ),
    "task-group-fails": (
        """
async def fail():
    await asyncio.sleep($pause)
    raise KeyError($n)

try:
    async with asyncio.TaskGroup() as group:
        group.create_task(fail())
        other = group.create_task(asyncio.sleep(10))
except* KeyError as caught:
    print(caught.exceptions, other.cancelled())
""",
        "(KeyError($n),) True",
    ),
    "cancel": (
        """
async def work():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        print("cleaning up $n")
        raise

task = asyncio.create_task(work())
await asyncio.sleep($pause)
task.cancel()
try:
    await task
except asyncio.CancelledError:
    print("cancelled", task.cancelled())
""",
        "cleaning up $n\ncancelled True",
    ),
    "wait-for": (
        """
try:
    await asyncio.wait_for(asyncio.sleep(10), timeout=$pause)
except TimeoutError:
    print("too late for $n")
""",
        "too late for $n",
    ),
    "timeout": (
        """
async def work():
    await asyncio.sleep($pause)
    return $n

async with asyncio.timeout(5) as limit:
    print(await work())
print(limit.expired())
""",
        "$n\nFalse",
    ),
    "shield": (
        """
async def save():
    await asyncio.sleep($pause + 0.001)
    print("saved $n")

inner = asyncio.create_task(save())
outer = asyncio.ensure_future(asyncio.shield(inner))
await asyncio.sleep(0)
outer.cancel()
await asyncio.wait([outer])
print(outer.cancelled())
await inner
""",
        "True\nsaved $n",
    ),
    "lock": (
        """
async def add(lock, total):
    async with lock:
        old = total[0]
        await asyncio.sleep($pause / 3)
        total[0] = old + 1

lock, total = asyncio.Lock(), [$n]
await asyncio.gather(*(add(lock, total) for _ in range(3)))
print(total[0] - $n, lock.locked())
""",
        "3 False",
    ),
    "semaphore": (
        """
running = set()

async def work(gate, name):
    async with gate:
        running.add(name)
        await asyncio.sleep($pause / 2)
        seen = len(running)
        running.remove(name)
        return seen

gate = asyncio.Semaphore(2)
print(max(await asyncio.gather(*(work(gate, name) for name in "abcd"))), $n)
""",
        "2 $n",
    ),
    "event": (
        """
async def waiter(event):
    await event.wait()
    return "seen $n"

event = asyncio.Event()
task = asyncio.create_task(waiter(event))
await asyncio.sleep($pause)
event.set()
print(await task)
""",
        "seen $n",
    ),
    "condition": (
        """
async def consumer(condition, items):
    async with condition:
        await condition.wait_for(lambda: items)
        return items.pop()

condition, items = asyncio.Condition(), []
task = asyncio.create_task(consumer(condition, items))
await asyncio.sleep($pause)
async with condition:
    items.append($n)
    condition.notify()
print(await task)
""",
        "$n",
    ),
    "barrier": (
        """
async def runner(barrier):
    await asyncio.sleep($pause)
    return await barrier.wait()

barrier = asyncio.Barrier(3)
print(sorted(await asyncio.gather(*(runner(barrier) for _ in range(3)))), $n)
""",
        "[0, 1, 2] $n",
    ),
    "stream": (
        """
async def handle(reader, writer):
    data = await reader.readline()
    await asyncio.sleep($pause)
    writer.write(data.upper())
    await writer.drain()
    writer.close()
    await writer.wait_closed()

server = await asyncio.start_server(handle, "127.0.0.1", 0)
async with server:
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello $n\\n")
    print((await reader.read()).decode().strip())
    writer.close()
    await writer.wait_closed()
""",
        "HELLO $n",
    ),
    "socket-pair": (
        """
import socket

ours, theirs = socket.socketpair()
reader, writer = await asyncio.open_connection(sock=ours)
await asyncio.sleep($pause)
theirs.send(b"packet $n")
print(await reader.read(100))
theirs.close()
writer.close()
await writer.wait_closed()
""",
        "b'packet $n'",
    ),
    "subprocess": (
        """
process = await asyncio.create_subprocess_exec("echo", "hello $n", stdout=asyncio.subprocess.PIPE)
output, _ = await process.communicate()
await asyncio.sleep($pause)
print(output.decode().strip(), process.returncode)
""",
        "hello $n 0",
    ),
    "to-thread": (
        """
import time

def blocking(x):
    time.sleep($pause)
    return x

print(await asyncio.to_thread(blocking, $n))
""",
        "$n",
    ),
    "executor": (
        """
import concurrent.futures

loop = asyncio.get_running_loop()
with concurrent.futures.ThreadPoolExecutor(1) as pool:
    result = await loop.run_in_executor(pool, sum, [$n, 1])
await asyncio.sleep($pause)
print(result)
""",
        "$next",
    ),
    "contextvars": (
        """
import contextvars

user = contextvars.ContextVar("user", default="nobody")

async def work(name):
    user.set(name)
    await asyncio.sleep($pause)
    return user.get()

print(await asyncio.gather(asyncio.create_task(work("a$n")), asyncio.create_task(work("b$n"))), user.get())
""",
        "['a$n', 'b$n'] nobody",
    ),
    "async-generator": (
        """
async def countdown(x):
    while x > $n:
        yield x
        await asyncio.sleep($pause / 3)
        x -= 1

async for x in countdown($n + 3):
    print(x - $n)
""",
        "3\n2\n1",
    ),
    "async-comprehension": (
        """
async def numbers():
    for x in range(3):
        await asyncio.sleep($pause / 3)
        yield x

print([x + $n async for x in numbers()][0])
""",
        "$n",
    ),
    "async-context": (
        """
import contextlib

@contextlib.asynccontextmanager
async def connection(name):
    await asyncio.sleep($pause)
    print("open", name)
    try:
        yield name.upper()
    finally:
        print("close", name)

async with connection("db$n") as db:
    print("use", db)
""",
        "open db$n\nuse DB$n\nclose db$n",
    ),
    "async-iterator": (
        """
class Ticker:
    def __init__(self, end):
        self.at, self.end = 0, end

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.at == self.end:
            raise StopAsyncIteration
        self.at += 1
        await asyncio.sleep($pause / 3)
        return self.at

async for tick in Ticker(3):
    print("tick", tick, "of $n")
""",
        "tick 1 of $n\ntick 2 of $n\ntick 3 of $n",
    ),
    "call-later": (
        """
loop = asyncio.get_running_loop()
done = loop.create_future()
loop.call_soon(print, "soon $n")
loop.call_later($pause, done.set_result, "later")
print(await done)
""",
        "soon $n\nlater",
    ),
    "done-callback": (
        """
async def work():
    await asyncio.sleep($pause)
    return $n

task = asyncio.create_task(work(), name="job-$n")
task.add_done_callback(lambda task: print(task.get_name(), task.result()))
await task
await asyncio.sleep(0)
""",
        "job-$n $n",
    ),
    "run": (
        """
import time

async def main():
    begun = time.perf_counter()
    await asyncio.sleep($pause)
    return time.perf_counter() - begun >= $pause * 0.9

print(asyncio.run(main()), $n)
""",
        "True $n",
    ),
    "runner": (
        """
async def step(x):
    await asyncio.sleep($pause / 2)
    return x

with asyncio.Runner() as runner:
    print(runner.run(step($n)))
    print(runner.run(step($next)))
""",
        "$n\n$next",
    ),
    "plain-data": (
        """
import collections
import time

words = "the cat and the dog and the bird $n".split()
counts = collections.Counter(words)
time.sleep($pause)
print(counts.most_common(2))
print({word: len(word) for word in words[:2]})
""",
        "[('the', 3), ('and', 2)]\n{'the': 3, 'cat': 3}",
    ),
    "plain-class": (
        """
import time
from dataclasses import dataclass

@dataclass
class Point:
    x: int
    y: int = 0

    def moved(self, by):
        return Point(self.x + by, self.y)

time.sleep($pause)
print(Point($n).moved(1))
""",
        "Point(x=$next, y=0)",
    ),
    "plain-generator": (
        """
import time

def squares(limit):
    for x in range(limit):
        time.sleep($pause / 4)
        yield x * x

print(list(squares(4)), $n)
""",
        "[0, 1, 4, 9] $n",
    ),
    "plain-error": (
        """
import time

try:
    time.sleep($pause)
    int("number $n")
except ValueError as error:
    print(type(error).__name__, error)
""",
        "ValueError invalid literal for int() with base 10: 'number $n'",
    ),
}
"""Name -> the code and the output of a kind; `$n`, `$next`, `$double` are numbers, `$pause` is in seconds."""
