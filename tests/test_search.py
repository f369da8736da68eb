"A study survives what a notebook cannot show: killed processes and several workers at once."

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from secml_workbench.base import InputError, WorkbenchError, connect, load_settings, sqlite_address, track
from secml_workbench.tuning import (
    MAX_RETRIES,
    Attempt,
    OptimizationConfig,
    TuningResult,
    full_space,
    guidance,
    open_storage,
    search,
    small_space,
)

WIDE = full_space()
WORKER = """
import time
from secml_workbench.tuning import OptimizationConfig, full_space, search

def objective(attempt):
    for epoch in range(1, attempt.params["epochs"] + 1):
        time.sleep({pause})
        attempt.report(epoch, 0.5 + epoch / 100)
    print("trial", attempt.number, flush=True)
    return 0.5 + attempt.params["weight_decay"]

search(objective, full_space(), config=OptimizationConfig(n_trials={n_trials}), study_name="killed", storage={url!r})
"""


def start(url: str, n_trials: int, pause: float = 0.01) -> subprocess.Popen[str]:
    code = WORKER.format(url=url, n_trials=n_trials, pause=pause)
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], **quiet)  # type: ignore[call-overload]


def finish(url: str, n_trials: int) -> TuningResult:
    def nothing_left(_: object) -> float:
        raise KeyboardInterrupt

    return search(nothing_left, WIDE, config=OptimizationConfig(n_trials=n_trials), study_name="killed", storage=url)


def test_killed_study_loses_no_trial_and_runs_the_exact_total(tmp_path: Path) -> None:
    url, dice, said = f"sqlite:///{tmp_path}/studies.db", random.Random(7), []
    for _ in range(3):
        worker = start(url, 12)
        assert worker.stdout
        for _ in range(dice.randint(1, 2)):  # let it finish one or two trials, then kill it within the next
            said.append(worker.stdout.readline())
        time.sleep(dice.random() * 0.1)
        os.kill(worker.pid, signal.SIGKILL)
        said += worker.communicate()[0].splitlines()
    last = start(url, 12)
    said += last.communicate(timeout=60)[0].splitlines()
    assert last.returncode == 0

    result = finish(url, 12)
    ended = {t.number for t in result.trials if t.state in ("complete", "pruned")}
    assert len(ended) == 12 and result.counts["failed"] == 0
    printed = {int(line.split()[1]) for line in said if line.startswith("trial")}
    interrupted = {t.number for t in result.trials if t.state == "interrupted"}
    complete = {t.number for t in result.trials if t.state == "complete"}
    assert complete <= printed <= complete | interrupted  # killed between its last line and the store at the worst
    assert all(t.state != "interrupted" or t.value is None for t in result.trials)
    assert result.default is not None and result.default.state == "complete"


def test_a_trial_that_kills_its_process_is_given_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    deadly = f"""
import os
from secml_workbench.tuning import OptimizationConfig, default_params, full_space, search
def objective(attempt):
    if attempt.params == default_params():
        os.kill(os.getpid(), 9)
    return 0.5
search(objective, full_space(), config=OptimizationConfig(n_trials=3), study_name="killed", storage={url!r})
"""
    command = [sys.executable, "-c", deadly]
    codes = [subprocess.run(command, capture_output=True).returncode for _ in range(MAX_RETRIES + 2)]
    assert codes == [-signal.SIGKILL] * (MAX_RETRIES + 1) + [0]
    result = finish(url, 3)
    assert Counter(t.state for t in result.trials) == {"complete": 3, "interrupted": MAX_RETRIES, "given up": 1}
    assert {t.reason for t in result.trials if t.state != "complete"} == {"its process was ended"}
    assert result.default is not None and result.default.state == "given up"


def test_a_journal_file_is_a_store_too(tmp_path: Path) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    for n_trials in (2, 4):
        config = OptimizationConfig(n_trials=n_trials)
        result = search(lambda _: 0.5, WIDE, config, study_name="killed", storage=url)
        assert result.counts["complete"] == n_trials
    assert finish(url, 4).trials == result.trials


def test_a_running_trial_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    first = start(url, 6, pause=0.1)
    assert first.stdout
    first.stdout.readline()
    second = start(url, 6, pause=0.1)
    for worker in (first, second):
        worker.communicate(timeout=90)
        assert worker.returncode == 0
    result = finish(url, 6)
    assert sum(result.counts.values()) == 6
    assert not [t for t in result.trials if t.state == "interrupted"]
    assert sum(t.is_default for t in result.trials) == 1


def test_a_trial_that_another_process_began_first_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, ran, sampler = f"sqlite:///{tmp_path}/studies.db", [], guidance.sampler_for
    alive = {"host": "elsewhere", "pid": 1, "started": 0}

    def faster(config: OptimizationConfig, place: int) -> object:  # called after the count, before the trial begins
        if place == 2:
            study = optuna.load_study(study_name="killed", storage=url)
            trial = study.ask()
            trial.set_user_attr("owner", alive)
            threading.Timer(1.5, lambda: study.tell(trial, 0.7)).start()
        return sampler(config, place)

    def objective(attempt: Attempt) -> float:
        ran.append(attempt.number)
        return 0.5

    monkeypatch.setattr(guidance, "sampler_for", faster)
    result = search(objective, WIDE, config=OptimizationConfig(n_trials=3), study_name="killed", storage=url)
    states = [t.state.name for t in optuna.load_study(study_name="killed", storage=url).trials]
    assert ran == [0, 1] and states == ["COMPLETE", "COMPLETE", "COMPLETE", "FAIL"]
    assert result.counts == {"complete": 3, "pruned": 0, "failed": 0}, "the study's trials, not this process's"
    assert result.best_value == 0.7


def test_a_trial_of_another_machine_that_never_ends_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"journal:///{tmp_path}/studies.log"  # without heartbeats
    config = OptimizationConfig(n_trials=2)
    search(lambda _: 0.5, WIDE, config=replace(config, n_trials=1), study_name="two", storage=url)
    study = optuna.load_study(study_name="two", storage=open_storage(url))
    study.ask().set_user_attr("owner", {"host": "elsewhere", "pid": 1, "started": 0})
    monkeypatch.setattr("secml_workbench.tuning.search_loop.GRACE_SECONDS", 0.1)
    result = search(lambda _: 0.5, WIDE, config=config, study_name="two", storage=url)
    assert result.stopped == "trial 1 on another machine has not ended"


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
@pytest.mark.parametrize("content", [b"mine", b'{"a": 1}\n', b"\x00" * 99])
def test_what_is_no_study_store_is_left_alone(tmp_path: Path, kind: str, content: bytes) -> None:
    file = tmp_path / "notes.db"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"notes\.db"):
        open_storage(f"{kind}:///{file}")
    assert file.read_bytes() == content and [p.name for p in tmp_path.iterdir()] == ["notes.db"]


@pytest.mark.parametrize("name", ["100% mine", "a?b#c d%20e%41"])
def test_a_study_lies_in_the_folder_that_was_named(tmp_path: Path, name: str) -> None:
    store = sqlite_address(tmp_path / name / "studies.db")
    search(lambda _: 0.5, WIDE, config=OptimizationConfig(n_trials=1), study_name="s", storage=store)
    assert [p.name for p in tmp_path.iterdir()] == [name] and (tmp_path / name / "studies.db").stat().st_size


@pytest.mark.parametrize(("revision", "said"), [("v3.0.0.d", "storage upgrade --storage"), ("v9", "newer Optuna")])
def test_a_store_of_another_optuna_is_named_with_the_command_that_keeps_it(
    tmp_path: Path, revision: str, said: str
) -> None:
    url = sqlite_address(tmp_path / "my studies.db")
    search(lambda _: 0.5, WIDE, config=OptimizationConfig(n_trials=1), study_name="s", storage=url)
    with closing(sqlite3.connect(tmp_path / "my studies.db")) as db, db:
        db.execute("update alembic_version set version_num = ?", (revision,))
    with pytest.raises(InputError, match=said) as refused:
        open_storage(url)
    if "storage upgrade" in said:
        command = shlex.split(str(refused.value).partition("run: ")[2])
        assert command == ["optuna", "storage", "upgrade", "--storage", url]


def test_an_unfinished_study_of_another_kind_is_refused_without_a_trace(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    config = OptimizationConfig(n_trials=2)
    before = search(lambda attempt: 0.5, WIDE, config=config, study_name="killed", storage=url)
    with pytest.raises(ValueError, match="begun otherwise: search space: learning_rate was"):
        search(lambda attempt: 0.6, small_space(), config, study_name="killed", storage=url)
    assert search(lambda attempt: 0.7, WIDE, config=config, study_name="killed", storage=url).trials == before.trials


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {"label_smoothing": (0.0, 0.2)}, "label_smoothing was none, is [0.0, 0.2]"),
        ({"label_smoothing": (0.0, 0.2)}, {}, "label_smoothing was [0.0, 0.2], is none"),
        ({"label_smoothing": (0.0, 0.2)}, {"label_smoothing": (0.0, 0.1)}, "was [0.0, 0.2], is [0.0, 0.1]"),
    ],
)
def test_another_space_is_refused_by_what_changed(before: dict[str, Any], after: dict[str, Any], said: str) -> None:
    store, config = open_storage("memory"), OptimizationConfig(n_trials=2)
    search(lambda _: 0.5, small_space(**before), config, study_name="s", storage=store)
    with pytest.raises(InputError, match=re.escape(said)):
        search(lambda _: 0.5, small_space(**after), config, study_name="s", storage=store)


def test_gp_tries_nothing_twice_though_trials_fall_behind_and_fail() -> None:
    def objective(attempt: Attempt) -> float:
        for epoch in range(1, attempt.params["epochs"] + 1):
            attempt.report(epoch, 1 - attempt.params["weight_decay"] * epoch)
        if attempt.number % 4 == 3:
            raise MemoryError("does not fit")
        return 1 - attempt.params["weight_decay"]

    result = search(objective, WIDE, config=OptimizationConfig(n_trials=14, sampler="gp"), study_name="gp")
    assert len({str(trial.params) for trial in result.trials}) == 14
    assert result.counts == {"complete": 11, "pruned": 0, "failed": 3}


def test_early_stopping_waits_for_the_front_and_for_the_constraints() -> None:
    def objective(attempt: Attempt) -> float:
        attempt.measure({"latency_ms": 100 - attempt.number, "recall": 0.5})
        return 0.5

    for more in ({"second_objective": "latency_ms"}, {"constraints": {"recall": 0.9}}):
        config = OptimizationConfig(n_trials=8, early_stopping_rounds=2, **more)
        result = search(objective, WIDE, config=config, study_name="patient")
        assert result.counts["complete"] == 8 and not result.stopped


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    "A real file system of 4 MB."
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]).returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("where", ["weights", "store"])
def test_a_full_disk_is_named_and_the_study_goes_on(
    where: str, small_disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{small_disk if where == 'store' else tmp_path}/studies.db"

    def objective(attempt: Attempt) -> float:
        for part in range(16 if attempt.number else 1):
            (small_disk / f"weights-{attempt.number}-{part}").write_bytes(bytes(2**18))
        return 0.5

    config = OptimizationConfig(n_trials=6)
    if where == "weights":
        result = search(objective, WIDE, config=config, study_name="full", storage=url)
        assert result.counts == {"complete": 1, "pruned": 0, "failed": 1}
        assert "the disk is full (OSError: '[Errno 28] No space left on device'" in caplog.text
    else:
        with pytest.raises(WorkbenchError, match=r"the store of study 'full' failed: .*full.*the study goes on"):
            search(objective, WIDE, config=config, study_name="full", storage=url)
    for file in small_disk.glob("weights-*"):
        file.unlink()
    result = search(lambda _: 0.6, WIDE, config=config, study_name="full", storage=url)
    assert result.trials[0].value == 0.5
    assert result.counts["complete"] + result.counts["failed"] == 6


def _postgres() -> str:
    "The folder of PostgreSQL's programs; empty: not installed."
    found = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), "")
    return str(Path(found).resolve().parent) if found else ""


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    "The URL of a real PostgreSQL server."
    programs, place = _postgres(), Path(tempfile.mkdtemp(prefix="secml-pg-"))
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # it does not run as root
    if user:
        shutil.chown(place, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, options = f"{place}/data", f"-p {port} -h 127.0.0.1 -k {place}"

    def call(program: str, *arguments: str) -> None:
        command = [*user, f"{programs}/{program}", "-D", data, *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=place)

    call("initdb", "-U", "secml", "-A", "trust")
    call("pg_ctl", "-o", options, "-l", f"{place}/log", "-w", "start")
    yield f"postgresql://secml@127.0.0.1:{port}/postgres"
    call("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(place, ignore_errors=True)


def test_two_processes_share_a_study_in_postgresql_and_one_is_killed(postgres: str) -> None:
    first, second = start(postgres, 8, pause=0.1), start(postgres, 8, pause=0.1)
    assert first.stdout
    first.stdout.readline()
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    _, trouble = second.communicate(timeout=120)
    assert second.returncode == 0, trouble
    last = start(postgres, 8)
    last.communicate(timeout=120)
    result = finish(postgres, 8)
    assert sum(result.counts.values()) == 8 and result.counts["failed"] == 0
    assert sum(t.is_default and t.state == "complete" for t in result.trials) == 1


def test_defaults_that_two_processes_set_at_once_run_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"

    def objective(attempt: Attempt) -> float:
        return 0.5

    first = search(objective, WIDE, config=OptimizationConfig(n_trials=1), study_name="a", storage=url)
    again = optuna.load_study(study_name="a", storage=url)
    again.enqueue_trial(dict(first.trials[0].params), user_attrs={"is_default": True})
    result = search(objective, WIDE, config=OptimizationConfig(n_trials=4), study_name="a", storage=url)
    assert result.counts["complete"] == 4 and sum(t.is_default for t in result.trials) == 1


def test_a_study_is_never_taken_up_under_fewer_conditions(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"

    def objective(attempt: Attempt) -> float:
        attempt.measure({"f1": 0.5})
        return 0.5

    for name, begun in (("a", {"constraints": {"f1": 0.9}}), ("b", {"second_objective": "f1"})):
        search(objective, WIDE, config=OptimizationConfig(n_trials=2, **begun), study_name=name, storage=url)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=f"begun otherwise: {next(iter(begun)).replace(chr(95), chr(32))}"):
            search(objective, WIDE, config=OptimizationConfig(n_trials=3), study_name=name, storage=url)
    foreign = optuna.create_study(study_name="foreign", storage=url)
    foreign.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(ValueError, match="was not begun here"):
        search(objective, WIDE, config=OptimizationConfig(n_trials=3), study_name="foreign", storage=url)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_trials": "3"}, {"n_trials": 2.5}, {"n_trials": True}, {"cv_folds": 1.5}, {"timeout_seconds": "5"},
        {"pruning": "no"}, {"seed": -1}, {"constraints": None}, {"n_trials": float("inf")},
    ],
)  # fmt: skip
def test_a_setting_of_the_wrong_kind_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} is .*expected"):
        OptimizationConfig(**wrong)


def test_a_real_mlflow_server_holds_the_true_state_of_every_trial(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", f"{tmp_path}/store"]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen([*command, *place], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=1):
                break
            assert server.poll() is None
            time.sleep(0.2)
        settings = load_settings(mlflow_tracking_uri=uri, state_dir=str(tmp_path))

        def objective(attempt: Attempt) -> float:
            if attempt.number == 1:
                raise MemoryError("does not fit")
            if attempt.number == 2:
                raise optuna.TrialPruned("behind")
            attempt.report(1, 0.5)
            return 0.5

        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "file.txt").write_text("kept")
        with track("served", "tuning", {}, settings=settings) as run:
            result = search(objective, WIDE, config=OptimizationConfig(n_trials=4), study_name="served", run=run)
            run.log_folder(tmp_path / "folder", "model")
        client = connect(settings)
        runs = client.search_runs([client.get_experiment_by_name("tuning").experiment_id])
        children = {one.info.run_name: one.data.tags["state"] for one in runs if "mlflow.parentRunId" in one.data.tags}
        assert result.counts == {"complete": 2, "pruned": 1, "failed": 1}
        assert children == {"trial 0": "finished", "trial 1": "failed", "trial 2": "pruned", "trial 3": "finished"}
        assert [file.path for file in client.list_artifacts(run.id, "model")] == ["model/file.txt"]
    finally:
        server.terminate()
        server.wait(30)
