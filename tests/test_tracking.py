"""What the notebook of `tracking` cannot hold: several processes on one store, and a process that is killed."""

from __future__ import annotations

import gc
import gzip
import logging
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from secml_workbench.base import (
    InputError,
    Settings,
    WorkbenchError,
    code_hash,
    connect,
    load_settings,
    machine,
    sqlite_address,
    tracking,
)
from secml_workbench.base.deadlines import within

WRITER = """
import sys, time
from secml_workbench.base import load_settings
from secml_workbench.base import track
state, name, wait = sys.argv[1:4]
settings = load_settings(state_dir=state, mlflow_tracking_uri=f"sqlite:///{state}/mlflow.db")
with track(name, "study", {"name": name}, settings=settings) as run:
    for number in range(3):
        with run.child(f"{name}-{number}", {"number": number}) as child:
            child.log_metrics({"f1": number / 10}, step=number)
    print("open", flush=True)
    time.sleep(float(wait))
"""


def isolated(folder: Path) -> Settings:
    return load_settings(state_dir=str(folder), mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db")


def writer(folder: Path, name: str, wait: float = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(wait)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=folder,
    )


def test_processes_that_make_the_store_at_once(tmp_path: Path) -> None:
    writers = [writer(tmp_path, name) for name in "abc"]
    for process in writers:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out == "open\n"
        assert err == "", "MLflow's chatter reached the user"
    client = connect(isolated(tmp_path))
    runs = client.search_runs([client.get_experiment_by_name("study").experiment_id])
    assert len(runs) == 12
    assert {run.info.status for run in runs} == {"FINISHED"}
    parents = {run.info.run_name: run.info.run_id for run in runs if "-" not in run.info.run_name}
    for run in runs:
        name = run.info.run_name
        if "-" in name:
            assert run.data.tags["mlflow.parentRunId"] == parents[name[0]]
            assert run.data.metrics == {"f1": int(name[-1]) / 10}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_killed_process_does_not_run_for_ever(tmp_path: Path) -> None:
    process = writer(tmp_path, "killed", wait=60)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    settings = isolated(tmp_path)
    with tracking.track("next", "study", {}, settings=settings):
        pass
    client = connect(settings)
    runs = client.search_runs([client.get_experiment_by_name("study").experiment_id])
    killed = next(run for run in runs if run.info.run_name == "killed")
    assert (killed.info.status, killed.data.tags["state"]) == ("KILLED", "abandoned")
    assert next(run for run in runs if run.info.run_name == "next").info.status == "FINISHED"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", ["1", "4000000"])
def test_a_number_that_is_in_use_again_is_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    "The first process of every container has the number 1."
    settings = isolated(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: int(number))
        run = tracking.track("dead", "study", {}, settings=settings)
        dead = run.__enter__()
    ask = {"kind": "study", "parameters": {}, "settings": settings}
    with tracking.track("a", **ask) as alive, tracking.track("b", **ask):
        assert connect(settings).get_run(alive.id).info.status == "RUNNING"
    assert connect(settings).get_run(dead.id).info.status == "KILLED"


@pytest.mark.parametrize("name", ["100% mine", "a?b#c d%20e%41"])
def test_a_project_may_be_called_anything_and_be_moved(tmp_path: Path, name: str) -> None:
    before, after = tmp_path / "old", tmp_path / name
    for place in (before, after):
        settings = load_settings(state_dir=str(place), mlflow_tracking_uri="")
        with tracking.track("m", "tuning", {}, settings=settings) as run:
            run.log_dict({"a": 1}, "a.json")
        kept = [p.relative_to(tmp_path).parts[0] for p in tmp_path.rglob("a.json")]
        assert kept == [place.name] * len(kept) and [p.name for p in tmp_path.iterdir()] == [place.name]
        if place is before:
            first = run.id
            before.rename(after)
    for run_id in (first, run.id):
        assert connect(settings).list_artifacts(run_id)[0].path == "a.json"


def test_what_is_no_store_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as held, held:
        held.execute("create table cookies (name)")
    (tmp_path / "text.db").write_text("no database")
    (tmp_path / "folder.db").mkdir()
    for name in ("foreign.db", "text.db", "folder.db"):
        with pytest.raises(InputError, match=name):
            connect(load_settings(mlflow_tracking_uri=sqlite_address(tmp_path / name)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.db", "foreign.db", "text.db"]


def test_a_store_of_another_mlflow_is_named_with_the_command_that_keeps_it(tmp_path: Path) -> None:
    settings = load_settings(state_dir=str(tmp_path / "my state"), mlflow_tracking_uri="")
    connect(settings)
    code = "import sys; from secml_workbench.base import connect, load_settings; "
    code += "connect(load_settings(state_dir=sys.argv[1], mlflow_tracking_uri=''))"
    for revision, said in (("cc1f77228345", "mlflow db upgrade"), ("f" * 12, "newer MLflow")):
        with closing(sqlite3.connect(settings.state_dir / "mlflow.db")) as held, held:
            held.execute("update alembic_version set version_num = ?", (revision,))
        ask = [sys.executable, "-c", code, str(settings.state_dir)]  # a new process: MLflow keeps open stores
        error = subprocess.run(ask, capture_output=True, text=True).stderr.strip().splitlines()[-1]
        assert said in error and "move that file" not in error, error
        if "upgrade" in said:
            assert shlex.split(error.partition("run: ")[2])[3:] == [settings.mlflow_tracking_uri]


def test_a_kill_while_the_store_is_made_leaves_none(tmp_path: Path) -> None:
    process = writer(tmp_path, "killed", wait=60)
    deadline = time.monotonic() + 60
    while not any(half.stat().st_size for half in tmp_path.glob("mlflow.db.*.new")) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert list(tmp_path.glob("mlflow.db.*.new"))
    assert not (tmp_path / "mlflow.db").exists()
    with tracking.track("next", "study", {}, settings=isolated(tmp_path)) as run:
        pass
    assert connect(isolated(tmp_path)).get_run(run.id).info.status == "FINISHED"
    assert not list(tmp_path.glob("*.new"))


def test_interrupts_while_mlflow_sets_itself_up_do_not_spoil_the_session(tmp_path: Path) -> None:
    code = """
import os, signal, sys, threading, time
from secml_workbench.base import load_settings
from secml_workbench.base import connect
settings = load_settings(state_dir=sys.argv[1])
stopped = 0
def ask():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
for _ in range(6):
    helper = threading.Thread(target=ask)
    helper.start()
    try:
        connect(settings)
        helper.join()
        time.sleep(0.1)
    except KeyboardInterrupt:
        stopped += 1
    helper.join()
print(stopped, len(connect(settings).search_experiments()))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=180)
    assert done.stdout.split() == ["6", "1"], done.stderr[-800:]


def test_threads_do_not_mix(tmp_path: Path) -> None:
    settings, ids = isolated(tmp_path), {}

    def work(number: int) -> None:
        with tracking.track(f"run {number}", "study", {"n": number}, settings=settings) as run:
            run.log_metrics({"f1": float(number)})
            ids[number] = run.id

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client = connect(settings)
    for number, run_id in ids.items():
        run = client.get_run(run_id)
        assert run.data.metrics == {"f1": float(number)}
        assert run.data.params == {"n": str(number)}


def test_hostile_names_values_and_texts(tmp_path: Path) -> None:
    settings = isolated(tmp_path)
    name, tags = "</script>\x00\ud800" * 90, {"\x00": "\ud800" * 9000}
    parameters = {"a" * 400: "\x00\ud800" * 3000, "<img src=x>": "</script>", "": 1, "..": None, "e\n": {"k": [1]}}
    with tracking.track(name, "study", parameters, tags=tags, settings=settings) as run:
        run.log_metrics({"p@1 %": 1.0, "none": None, "inf": float("inf"), "text": "no"})  # type: ignore[dict-item]
        run.log_dict({"text": "\ud800", "nan": float("nan")}, "results.json")
    stored = connect(settings).get_run(run.id)
    assert stored.info.status == "FINISHED"
    assert len(stored.data.params) == len(parameters)
    assert stored.data.tags["undefined_metrics"] == "inf, none, text"


def test_deleted_experiment_is_restored(tmp_path: Path) -> None:
    settings = isolated(tmp_path)
    with tracking.track("a", "study", {}, settings=settings):
        pass
    client = connect(settings)
    client.delete_experiment(client.get_experiment_by_name("study").experiment_id)
    with tracking.track("b", "study", {}, settings=settings) as run:
        pass
    assert client.get_run(run.id).info.status == "FINISHED"


def test_a_broken_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database at all " * 99)
    with pytest.raises(InputError, match=r"mlflow\.db.*mlflow_tracking_uri"):
        connect(isolated(tmp_path))


def test_a_store_that_goes_away_does_not_hide_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: object, method: str, *arguments: object, **named: object) -> None:
        raise WorkbenchError("gone")

    with pytest.raises(ZeroDivisionError), tracking.track("a", "study", {}, settings=isolated(tmp_path)):
        monkeypatch.setattr(tracking.ExperimentStore, "ask", gone)
        raise ZeroDivisionError


def test_our_loggers_survive_mlflow(tmp_path: Path) -> None:
    ours = logging.getLogger("secml_workbench.anything")
    connect(isolated(tmp_path))
    assert not ours.disabled
    assert logging.getLogger().level == logging.WARNING


def test_container_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cgroup_quota", lambda: 1.5)
    monkeypatch.setattr(machine, "_proc_cpuinfo", lambda: [])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert machine.usable_cores() == 2


def test_hyper_threads_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"processor": str(n), "physical id": "0", "core id": str(n % 4)} for n in range(8)]
    monkeypatch.setattr(machine, "_proc_cpuinfo", lambda: rows)
    monkeypatch.setattr(machine, "_cgroup_quota", lambda: float("inf"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert machine.usable_cores() == 4


def test_code_is_hashed_in_several_threads_at_once() -> None:
    class Garbage:
        def __init__(self) -> None:
            self.own = self

        def __del__(self) -> None:
            time.sleep(0)  # lets another thread run in the middle of a parse

    def litter(phase: str, info: object) -> None:
        if phase == "start":
            Garbage()

    gc.callbacks.append(litter)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(code_hash, ["base.files"] * 100))) == 1
    finally:
        gc.callbacks.remove(litter)


def silent(client: socket.socket) -> None:
    client.recv(9999)
    time.sleep(60)


def drips(client: socket.socket) -> None:
    client.recv(9999)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        client.sendall(b" ")
        time.sleep(0.05)


def later(client: socket.socket) -> None:
    client.recv(9999)
    client.sendall(b"HTTP/1.1 503 X\r\nRetry-After: 3600\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    client.close()


def says(body: bytes, head: str = "") -> Callable[[socket.socket], None]:
    def talk(client: socket.socket) -> None:
        client.recv(9999)
        length = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{head}\r\n"
        client.sendall(length.encode() + body)
        client.close()

    return talk


@contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[tuple[str, threading.Event]]:
    "A server on loopback: its address, and whether it was asked."
    listener, asked = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                asked.set()
                threading.Thread(target=one, args=(client,), daemon=True).start()

    def one(client: socket.socket) -> None:
        with suppress(OSError):
            talk(client)

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://me:s3cret@127.0.0.1:{listener.getsockname()[1]}/?token=t0ken", asked
    listener.close()


@pytest.mark.parametrize("talk", [silent, drips, later])
def test_a_server_that_does_not_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, talk: Callable[[socket.socket], None]
) -> None:
    monkeypatch.setattr("secml_workbench.base.mlflow_store._patience", lambda: 2.0)
    with server(talk) as (uri, _), pytest.raises(InputError, match="no answer within") as refused:
        connect(load_settings(mlflow_tracking_uri=uri))
    assert not re.search("s3cret|t0ken", str(refused.value))


FULL = says(gzip.compress(b" " * 2**25), "Content-Encoding: gzip\r\n")
PAGES = says(b'{"experiments": [{"experiment_id": "1", "name": "x"}], "next_page_token": "again"}')


@pytest.mark.parametrize(("talk", "said"), [(FULL, "more than 16 MB"), (PAGES, "the same page over and over")])
def test_a_server_that_answers_without_end_is_refused(talk: Callable[[socket.socket], None], said: str) -> None:
    with server(talk) as (uri, _), pytest.raises(InputError, match=said) as refused:
        connect(load_settings(mlflow_tracking_uri=uri))
    assert not re.search("s3cret|t0ken", str(refused.value))


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///", "sqlite+pysqlite://", "journal:///"])
def test_a_store_that_names_no_file_is_refused(address: str) -> None:
    for name in ("mlflow_tracking_uri", "optuna_storage"):
        with pytest.raises(InputError, match="names no file"):
            load_settings(**{name: address})


@pytest.mark.parametrize("talk", [silent, drips, later])
def test_ctrl_c_does_not_wait_for_a_server(talk: Callable[[socket.socket], None]) -> None:
    code = "from secml_workbench.base import connect, load_settings; connect(load_settings())"
    with server(talk) as (uri, asked):
        environment = {**os.environ, "SECML_MLFLOW_TRACKING_URI": uri}
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)
        assert asked.wait(120)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=15)  # the deadline is 20 s, the server's wish an hour
    assert "KeyboardInterrupt" in error and not re.search("s3cret|t0ken", error)


def test_ctrl_c_is_heard_whichever_thread_took_the_signal() -> None:
    ended = threading.Event()

    def call() -> None:
        time.sleep(0.2)  # until the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # the system may choose this thread
        ended.wait(5)
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        within(60, call)
    assert not ended.is_set()
