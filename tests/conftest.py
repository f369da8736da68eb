"""What several tests need: a real, small detector and a corpus file with a stranger's columns."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it starts in the background

# Property tests try the same examples each time; how long one takes says nothing on a machine that is shared.
ONE_FOLDER = HealthCheck.function_scoped_fixture  # all examples of a test share its tmp_path: each writes anew
settings.register_profile("here", derandomize=True, deadline=None, database=None, suppress_health_check=[ONE_FOLDER])
settings.load_profile("here")


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    "The two-layer detector, trained in seconds and cached."
    from secml_workbench.models import tiny_detector

    return tiny_detector()


@pytest.fixture(scope="session")
def strange_corpus(tmp_path_factory) -> Path:
    "The tiny corpus as a stranger's CSV: other column names, other labels."
    from secml_workbench.data import load_corpus

    frame = load_corpus("tiny").frame
    table = frame.assign(prompt=frame.text, verdict=frame.label.map({0: "fine", 1: "attack"}))[["prompt", "verdict"]]
    path = tmp_path_factory.mktemp("data") / "prompts.csv"
    table.to_csv(path, index=False)
    return path
