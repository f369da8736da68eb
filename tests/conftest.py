"""What several tests need: models, a wheel and a corpus file, each made once a run and shared by the workers."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# shap compiles its loops in each process that uses it, for longer than these tests loop; test_explanation lets it once.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it starts in the background

# Property tests try the same examples each time; how long one takes says nothing on a machine that is shared.
ONE_FOLDER = HealthCheck.function_scoped_fixture  # all examples of a test share its tmp_path: each writes anew
settings.register_profile("here", derandomize=True, deadline=None, database=None, suppress_health_check=[ONE_FOLDER])
settings.load_profile("here")


ROOT = Path(__file__).resolve().parents[1]
Make = Callable[[Path], object]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What makes the reports begins both halves of the run, one for each of two workers; what looks at them comes last.

    Otherwise one worker would wait for what the other makes.
    """
    makers = [item for item in items if item.path.name in ("test_templates.py", "test_wheel.py")]
    readers = [item for item in items if item.path.name == "test_pages.py"]
    others = [item for item in items if item not in makers and item not in readers]
    middle = (len(items) + 1) // 2 - len(makers[::2])
    items[:] = [*makers[::2], *others[:middle], *makers[1::2], *others[middle:], *readers]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Make], Path]:
    "A folder that the first who needs it makes, for all workers of this run: `made_once(name, make)`."
    from filelock import FileLock

    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"
    place.mkdir(exist_ok=True)

    def folder_of(name: str, make: Make) -> Path:
        folder, part = place / name, place / f".{name}"
        with FileLock(place / f"{name}.lock"):
            if not folder.exists():
                part.mkdir()
                make(part)
                part.rename(folder)
        return folder

    return folder_of


@pytest.fixture(scope="session")
def wheel(made_once) -> Path:
    "The wheel of this checkout."

    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr

    return next(made_once("wheel", build).glob("*.whl"))


@pytest.fixture(scope="session")
def encoder(made_once) -> Path:
    "A BERT of one small layer with random weights and the packaged tokenizer: trains within a second."

    def make(folder: Path) -> None:
        import torch
        from transformers import AutoTokenizer, BertConfig, BertModel

        from secml_workbench.models import default_encoder

        tokenizer = AutoTokenizer.from_pretrained(default_encoder(), local_files_only=True)
        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=128, **sizes)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return made_once("encoder", make)


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    "The two-layer detector, trained in seconds and cached."
    from secml_workbench.models import tiny_detector

    return tiny_detector()


VARIANTS = ("onnx_fp32", "int8_dynamic", "int8_static", "fp16", "int4")


@pytest.fixture(scope="session")
def variants(made_once, tiny_model) -> Path:
    "A folder with each ONNX variant of the tiny detector, a folder of its name each."

    def make(folder: Path) -> None:
        from secml_workbench.data import load_corpus
        from secml_workbench.models import load_classifier
        from secml_workbench.quantization import Exports, QuantizationConfig, quantize

        with Exports(load_classifier(tiny_model, device="cpu")) as exports:
            for name in VARIANTS:
                config, texts = QuantizationConfig(name), load_corpus("tiny").texts[:60]
                quantize(exports.classifier, config, out=folder / name, calibration=texts, exports=exports)

    return made_once("variants", make)


# Every section of each report, of fewer texts and samples than a person would ask for.
SMALL_REPORTS = {
    "tuning": {"n_trials": 2, "loso_sources": 1, "loso_rows": 60},
    "quantization": {"latency_seconds": 0.2, "agreement_texts": 2},
    "explanation": {
        "n_samples": 60, "faithfulness_texts": 5, "importance_texts": 30, "importance_samples": 40,
        "agreement_texts": 2, "shortcut_texts": 60,
    },
    "features": {},
}  # fmt: skip


@pytest.fixture(scope="session")
def report_of(made_once) -> Callable[[str], Path]:
    "The folder of a report on the tiny detector: its page, record and executed notebook, `tiny/<kind>.…`."
    from secml_workbench.reports import run_report

    def make(kind: str, folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for store in ("OPTUNA_STORAGE", "MLFLOW_TRACKING_URI"):  # no study of an earlier run is gone on with
                patch.setenv(f"SECML_{store}", f"sqlite:///{folder}/{store.lower()}.db")
            given = SMALL_REPORTS[kind] | ({"out": str(folder / "artifacts")} if kind == "quantization" else {})
            result = run_report(kind, "tiny", "tiny", out=folder, parameters=given, progress=False)
            assert result.status == "ok", result.error

    return lambda kind: made_once(f"report-{kind}", lambda folder: make(kind, folder))


@pytest.fixture(scope="session")
def strange_corpus(tmp_path_factory) -> Path:
    "The tiny corpus as a stranger's CSV: other column names, other labels."
    from secml_workbench.data import load_corpus

    frame = load_corpus("tiny").frame
    table = frame.assign(prompt=frame.text, verdict=frame.label.map({0: "fine", 1: "attack"}))[["prompt", "verdict"]]
    path = tmp_path_factory.mktemp("data") / "prompts.csv"
    table.to_csv(path, index=False)
    return path
