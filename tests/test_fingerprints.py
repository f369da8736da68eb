"""Fingerprints of what computes: how a thing is shown makes nothing stale, how it is computed does."""

import ast
import re
import shutil
from pathlib import Path

import pytest

from secml_workbench.base import InputError, code_hash, modules_used
from secml_workbench.models import TorchClassifier, train, train_detector
from secml_workbench.tuning import tune

ROOT = Path(__file__).resolve().parents[1]
OURS = (train_detector, train, tune, TorchClassifier)
TRAINING, FITTING, TUNING, BACKEND = (thing.__module__.removeprefix("secml_workbench.") for thing in OURS)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    "A copy of the package that a test may edit."
    left_out = shutil.ignore_patterns("__pycache__", "assets")
    return Path(shutil.copytree(ROOT / "secml_workbench", tmp_path / "secml_workbench", ignore=left_out))


def edit(package: Path, module: str, change: "re.Pattern[str]", new: str) -> None:
    file = package.joinpath(*module.split(".")).with_suffix(".py")
    text, times = change.subn(new, file.read_text(encoding="utf-8"), count=1)
    assert times == 1, f"{module} has nothing like {change.pattern}"
    ast.parse(text)
    file.write_text(text, encoding="utf-8")


FIRST_FUNCTION = re.compile(r"^(def \w+\((?:[^)]|\)(?! ->))*\) -> [^:]+:(?:  #[^\n]*)?\n)", re.MULTILINE)
REPRESENTATION = re.compile(r"^(    def _repr_html_\(self\) -> str:\n)", re.MULTILINE)
DOCSTRING = re.compile(r'^"""', re.MULTILINE)


@pytest.mark.parametrize("module", [TRAINING, TUNING])
def test_an_edit_to_how_a_thing_is_shown_makes_nothing_stale(package: Path, module: str) -> None:
    before = code_hash(module, package=package)
    for shown in sorted(p.stem for p in (package / "view").glob("[a-z]*.py")):
        edit(package, f"view.{shown}", FIRST_FUNCTION, r"\1    print('another look')\n")
    edit(package, "base.tracking", FIRST_FUNCTION, r"\1    print('logged otherwise')\n")
    edit(package, "data.corpus", REPRESENTATION, r"\1        print('another table')\n")
    edit(package, BACKEND, DOCSTRING, '"""In other words: ')
    assert code_hash(module, package=package) == before
    assert code_hash(module, package=package, shown=True) != code_hash(module, shown=True)


@pytest.mark.parametrize("computed", [TRAINING, BACKEND, "data.corpus", "data.metrics", "base.hashing"])
def test_an_edit_to_how_it_is_computed_does(package: Path, computed: str) -> None:
    "Itself, a module of the same room, and modules that only a face leads to."
    before = code_hash(TRAINING, package=package)
    edit(package, computed, FIRST_FUNCTION, r"\1    print('computed otherwise')\n")
    assert code_hash(TRAINING, package=package) != before


def test_a_study_depends_on_the_training(package: Path) -> None:
    before = code_hash(TUNING, package=package)
    edit(package, FITTING, FIRST_FUNCTION, r"\1    print('computed otherwise')\n")
    assert code_hash(TUNING, package=package) != before


def test_imports_are_followed_through_faces_to_the_module_that_defines() -> None:
    code = "from secml_workbench import load_corpus\nfrom secml_workbench.base import InputError"
    found = modules_used(ast.parse(code))
    assert found == {"data.loading", "base.errors"}
    inside = modules_used(ast.parse("from ..base import sha256_of\nfrom .corpus import Corpus"), "data.splits")
    assert inside == {"base.hashing", "data.corpus"}


@pytest.mark.parametrize("line", ["from secml_workbench.data import nothing", "from secml_workbench import data"])
def test_an_import_that_cannot_be_followed_is_an_error(line: str) -> None:
    with pytest.raises(InputError):
        modules_used(ast.parse(line))
    with pytest.raises(InputError):
        code_hash("training")
