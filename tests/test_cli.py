"""The command as people meet it: good runs, wrong turns, JSON."""

import json
import shutil
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
