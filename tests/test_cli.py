"""The command as people meet it: good runs, wrong turns, JSON."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from secml_workbench.cli import run


def refused(capsys, *arguments: object) -> str:
    "Run a command that must be refused: one line on stderr, nothing on stdout, status 2. Returns the line."
    status = run([str(a) for a in arguments])
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("secml: error: ")]
    assert status == 2 and out == "" and len(lines) == 1, (status, out, err)
    assert "Traceback" not in err and len(lines[0]) < 450
    return lines[0]


def write(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prompt,label\na,1\nb,0\n", ["text", "prompt"]),  # lists the columns that are there
        ("", ["empty"]),
        ("text,label\n", ["no rows"]),
        ("text,label\na,1\nb,1\n", ["all malicious"]),
        ("text,label\na,benign\nb,benign\n", ["all 2 rows", "benign"]),
        ("text,label\na,red\nb,green\nc,blue\n", ["blue", "positive"]),
        (b"text,label\n\xff\xfe\xfa,1\nb,0\n", ["UTF-8"]),
    ],
)
def test_bad_corpora_are_refused_in_one_line(capsys, tmp_path, content, said):
    line = refused(capsys, "train", "--data", write(tmp_path / "data.csv", content), "--out", tmp_path / "model")
    assert all(word in line for word in said), line
    assert not (tmp_path / "model").exists()


def test_missing_data_and_unknown_suffix(capsys, tmp_path):
    assert "nowhere.csv" in refused(capsys, "train", "--data", tmp_path / "nowhere.csv")
    assert ".csv" in refused(capsys, "train", "--data", write(tmp_path / "data.xyz", "text,label\n"))
    assert "nowhere.csv" in refused(capsys, "report", "all", "--model", "tiny", "--data", tmp_path / "nowhere.csv")


def test_bad_columns_of_a_report_are_refused_and_write_nothing(capsys, tmp_path, tiny_model, strange_corpus):
    line = refused(
        capsys, "report", "quantization", "--model", tiny_model, "--data", strange_corpus, "--out", tmp_path / "out"
    )
    assert "prompt" in line and "verdict" in line
    assert not list((tmp_path / "out").rglob("*.html")) and not list((tmp_path / "out").rglob("*.json"))


@pytest.mark.parametrize("damage", ["no weights", "pickle only", "broken safetensors", "no config"])
def test_bad_models_are_refused_in_one_line(capsys, tmp_path, tiny_model, damage):
    model = shutil.copytree(tiny_model, tmp_path / "model")
    weights = model / "model.safetensors"
    if damage == "no config":
        (model / "config.json").unlink()
    elif damage == "broken safetensors":
        weights.write_bytes(weights.read_bytes()[:1000])
    else:
        weights.unlink()
    if damage == "pickle only":
        (model / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    line = refused(capsys, "explain", "some text", "--model", model)
    assert {"pickle only": "pickle", "no config": "config"}.get(damage, "safetensors") in line.lower(), line


def test_names_that_are_wrong(capsys, tmp_path, tiny_model):
    assert "did you mean tuning" in refused(capsys, "report", "tunning")
    assert "n_trials" in refused(capsys, "report", "tuning", "--model", tiny_model, "--data", "tiny", "-p", "n_trial=3")
    assert "expected int" in refused(
        capsys, "report", "tuning", "--model", tiny_model, "--data", "tiny", "-p", "n_trials=three"
    )
    assert "no-such-model" in refused(capsys, "report", "all", "--model", "no-such-model")
    assert "lime" in refused(capsys, "explain", "text", "--model", tiny_model, "--method", "magic")
    assert "--data says nothing about a given TEXT" in refused(capsys, "explain", "text", "--data", "x.csv")
    assert "--force" in refused(capsys, "explain", "text", "--force")
    assert "for a given TEXT" in refused(capsys, "explain", "--method", "lime")
    assert "learning_rate" in refused(capsys, "train", "-p", "learning_rte=1e-5")
    assert "No such option" in refused(capsys, "report", "all", "--modle", "x")


def test_a_hub_name_offline_is_one_line(capsys):
    assert "some-org/some-model" in refused(capsys, "explain", "text", "--model", "some-org/some-model")


def test_an_output_folder_that_cannot_be_written(capsys, tmp_path, tiny_model):
    file = write(tmp_path / "file", "")
    assert "cannot write" in refused(
        capsys, "report", "explanation", "--model", tiny_model, "--data", "tiny", "--out", file / "below"
    )


@pytest.mark.parametrize(
    "text",
    ["", "   ", "a" * 100_000, "nul\x00", "lone \ud800", "😀🏴‍☠️", "[SEP] </s> [MASK]", "<script>alert(1)</script>"],
)
def test_hostile_texts_are_classified_not_refused(capsys, tiny_model, text):
    status = run(["explain", text, "--model", str(tiny_model), "--method", "lime", "-p", "n_samples=50", "--json"])
    out, _ = capsys.readouterr()
    assert status == 0
    (found,) = json.loads(out)["explanations"]
    assert 0 <= found["prediction"] <= 1
    assert "".join(ch for ch in out if "\ud800" <= ch <= "\udfff") == ""


HOSTILE = "a\x1b]0;owned\x07\x1b[31m\u202e\x9b1m.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "latin-1", "ascii"])
@pytest.mark.parametrize(
    "arguments", [["parameters", "tuning"], ["--help"], ["train", "--data", HOSTILE], [HOSTILE], ["report", HOSTILE]]
)
def test_any_console_shows_every_line_and_none_is_steered(monkeypatch, encoding, arguments):
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert run(arguments) == (2 if HOSTILE in arguments else 0)
    out.flush(), err.flush()
    shown = (out.buffer.getvalue() + err.buffer.getvalue()).decode(encoding)
    assert shown and not set(shown) & set("\x1b\x07\u202e\x9b")


def test_what_libraries_say_steers_no_terminal_either(monkeypatch):
    import logging
    import warnings

    from tqdm.auto import tqdm

    from secml_workbench.view import terminal_gate

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with terminal_gate(), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning(UserWarning(HOSTILE), UserWarning, HOSTILE, 1)
        handler = logging.StreamHandler()
        handler.emit(logging.makeLogRecord({"msg": HOSTILE}))
        for _ in tqdm(range(2), desc=HOSTILE):
            print(HOSTILE, "good\rbad")
    out.flush(), err.flush()
    shown, bars = out.buffer.getvalue().decode(), err.buffer.getvalue().decode()
    assert not set(shown + bars) & set("\x1b\x07\u202e\x9b") and (shown + bars).count("⟨U+202E⟩") >= 5
    assert "\r" not in shown and "\r" in bars, "a bar goes back to the beginning of its line, a text does not"


def test_json_keeps_the_value_and_spares_the_terminal(monkeypatch, tmp_path):
    from secml_workbench.cli.output import print_document

    out = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", out)
    print_document({"path": HOSTILE, "text": "日本 − e" + "\u0301" * 9})
    out.flush()
    raw = out.buffer.getvalue().decode("cp1252")
    assert json.loads(raw) == {"path": HOSTILE, "text": "日本 − e" + "\u0301" * 9}
    assert not set(raw) & set("\x1b\x9b")


SECML = [sys.executable, "-c", "from secml_workbench.cli import main; main()"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([*SECML, "parameters", "tuning"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0 and done.stderr.count("\n") == 1 and "free some space" in done.stderr, done.stderr


def test_ctrl_c_ends_a_command_and_what_it_started(tmp_path):
    "It waits in a library that holds the signal back; its child does not hear it either."
    code = """
import signal, subprocess, sys, time
from secml_workbench.cli import program
def wait(*_):
    deaf = "import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", deaf])
    signal.signal(signal.SIGINT, lambda *_: None)
    print(child.pid, flush=True)
    time.sleep(600)
program.run = wait
program.main()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)  # not the 600 s
    assert process.returncode == 130 and "interrupted" in error and "Traceback" not in error
    gone = threading.Event()
    for _ in range(100):
        with contextlib.suppress(OSError):
            if "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
                gone.wait(0.1)
                continue
        break
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("what it started lives on")
