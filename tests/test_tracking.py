"""What the notebook of `tracking` cannot hold: several processes on one store, and a process that is killed."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from secml_workbench.base import InputError, Settings, WorkbenchError, code_hash, load_settings, machine, tracking

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
    client = tracking.connect(isolated(tmp_path))
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
    client = tracking.connect(settings)
    runs = client.search_runs([client.get_experiment_by_name("study").experiment_id])
    killed = next(run for run in runs if run.info.run_name == "killed")
    assert (killed.info.status, killed.data.tags["state"]) == ("KILLED", "abandoned")
    assert next(run for run in runs if run.info.run_name == "next").info.status == "FINISHED"


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
    assert tracking.connect(isolated(tmp_path)).get_run(run.id).info.status == "FINISHED"
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
    client = tracking.connect(settings)
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
    stored = tracking.connect(settings).get_run(run.id)
    assert stored.info.status == "FINISHED"
    assert len(stored.data.params) == len(parameters)
    assert stored.data.tags["undefined_metrics"] == "inf, none, text"


def test_deleted_experiment_is_restored(tmp_path: Path) -> None:
    settings = isolated(tmp_path)
    with tracking.track("a", "study", {}, settings=settings):
        pass
    client = tracking.connect(settings)
    client.delete_experiment(client.get_experiment_by_name("study").experiment_id)
    with tracking.track("b", "study", {}, settings=settings) as run:
        pass
    assert client.get_run(run.id).info.status == "FINISHED"


def test_a_broken_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database at all " * 99)
    with pytest.raises(InputError, match=r"mlflow\.db.*mlflow_tracking_uri"):
        tracking.connect(isolated(tmp_path))


def test_a_store_that_goes_away_does_not_hide_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: object, method: str, *arguments: object, **named: object) -> None:
        raise WorkbenchError("gone")

    with pytest.raises(ZeroDivisionError), tracking.track("a", "study", {}, settings=isolated(tmp_path)):
        monkeypatch.setattr(tracking.ExperimentStore, "ask", gone)
        raise ZeroDivisionError


def test_our_loggers_survive_mlflow(tmp_path: Path) -> None:
    ours = logging.getLogger("secml_workbench.anything")
    tracking.connect(isolated(tmp_path))
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
