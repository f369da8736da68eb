"""What makes a report stale, and where its template is: on a copy of the package, without a kernel."""

import ast
import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from secml_workbench.base import InputError, Record, dumps, fingerprints, load_settings
from secml_workbench.reports import KINDS, build_index, freshness, pages, parameters, template_path
from secml_workbench.reports.publish import claim_place

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    "A copy of the package that may be edited; everything that asks where the package is gets it."
    copy, compiled = tmp_path / "site" / "secml_workbench", shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "secml_workbench", copy, ignore=compiled)
    for module in (fingerprints, parameters):
        monkeypatch.setattr(module, "files", lambda name: {"secml_workbench": copy}[name])
    return copy


def template(folder: Path, *cells: str) -> Path:
    "A template without parameters, of these cells."
    path = folder / "50_some_report.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells]), path)
    return path


def code_of(path: Path) -> str:
    return freshness.fingerprint(path, {}, load_settings())["code"]


def edit(package: Path, module: str) -> None:
    "A statement more in a module."
    file = package.joinpath(*module.split(".")).with_suffix(".py")
    file.write_text(file.read_text(encoding="utf-8") + "\nEDITED = True\n", encoding="utf-8")


def face(room: str) -> dict[str, str]:
    "Name → module, read from the stub by other means than the workbench's."
    tree = ast.parse((ROOT / "secml_workbench" / room / "__init__.pyi").read_text(encoding="utf-8"))
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: f"{room}.{node.module}" for node in nodes for alias in node.names}


def test_templates_of_a_checkout_and_of_a_wheel(package: Path) -> None:
    with pytest.raises(InputError, match="not installed"):
        template_path("tuning")
    for place in (package.parent / "nbs" / "reports", package / "templates"):  # the wheel's is looked at first
        shutil.copytree(ROOT / "nbs" / "reports", place)
        templates = [template_path(kind) for kind in KINDS]
        assert [path.parent for path in templates] == [place] * len(KINDS)
        assert all(path.read_bytes() == (ROOT / "nbs" / "reports" / path.name).read_bytes() for path in templates)


EXPLAIN = "from secml_workbench.explanation import explain"
HOME = face("explanation")["explain"]


@pytest.mark.parametrize(
    ("cell", "module", "counts"),
    [
        (EXPLAIN, HOME, True),  # only the face leads there
        ("from secml_workbench import explain", HOME, True),  # two faces lead there
        (f"%matplotlib inline\n{EXPLAIN}\n!ls", HOME, True),
        (f"def late():\n    {EXPLAIN}", HOME, True),
        (EXPLAIN, face("base")["brief"], True),  # by way of others
        (EXPLAIN, face("view")["table"], True),  # a report is what is shown
        (EXPLAIN, face("quantization")["quantize"], False),
        (f"explain = '{EXPLAIN}'", HOME, False),
    ],
)
def test_an_edit_makes_stale_what_imports_it(package: Path, tmp_path: Path, cell: str, module: str, counts: bool):
    path = template(tmp_path, "x: int = 1  # a parameter", cell)
    before = code_of(path)
    edit(package, module)
    assert (code_of(path) != before) == counts


@pytest.mark.parametrize("kind", KINDS)
def test_each_report_depends_on_what_its_cells_import(kind: str) -> None:
    "The modules of a real template's imports, as its faces have them, are those that are hashed."
    (path,) = (ROOT / "nbs" / "reports").glob(f"5?_{kind}_report.ipynb")
    sources = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    modules = set()
    nodes = [node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    for node in nodes:
        top, *place = (node.module or "").split(".")
        if top == "secml_workbench" and place:
            names = face(place[0])
            modules |= {names[alias.name] for alias in node.names} if len(place) == 1 else {".".join(place)}
    assert len(modules) > 5 and any(module.startswith("models.") for module in modules), modules
    assert modules <= set(freshness._modules(sources))


def test_the_index_says_what_has_changed(package: Path) -> None:
    shutil.copytree(ROOT / "nbs" / "reports", package / "templates")
    settings, values = load_settings(), {"model": "tiny", "data": "tiny"}
    made_from = freshness.fingerprint(template_path("explanation"), values, settings)
    record = Record("explanation", "tiny", "Clear.", parameters=values, provenance={"fingerprint": made_from})
    assert freshness.changed_parts(record, settings) == []
    edit(package, face("explanation")["explain"])
    assert freshness.changed_parts(record, settings) == ["code"]
    with template_path("explanation").open("r+", encoding="utf-8") as file:
        text = file.read()
        file.seek(0)
        file.write(text.replace("n_samples: int = 500", "n_samples: int = 501"))
        file.truncate()
    assert freshness.changed_parts(record, settings) == ["template", "code"]
    other = replace(record, parameters=values | {"data": "packaged"})
    assert freshness.changed_parts(other, settings) == ["data", "template", "code"]


@pytest.mark.parametrize("module", ["reports.pages", face("view")["FirstScreen"], face("view")["sanitize"]])
def test_a_page_is_made_anew_when_what_shows_it_was_edited(package: Path, module: str) -> None:
    before = pages.page_version.__wrapped__()
    edit(package, module)
    assert pages.page_version.__wrapped__() != before


def test_two_models_of_one_name_have_their_own_reports(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings()
    places = {}
    for run in ("run-a", "run-b", "else/run-b", "run-a"):  # the last comes again
        place = claim_place("features", "checkpoint-10", tmp_path, settings, f"{run}/checkpoint-10")
        if run not in places:
            record = Record("features", place.model, "Clear.", parameters={"model": f"{run}/checkpoint-10"})
            place.json.write_text(dumps(record.to_dict()), encoding="utf-8")
        assert places.setdefault(run, place.json) == place.json
        (place.json.parent / ".model").unlink(missing_ok=True)  # the report says whose it is, too
    assert len(set(places.values())) == 3 and places["run-b"].parent.name == "run-b-checkpoint-10"
    assert sum("another model" in line for line in caplog.messages) == 2
    page = build_index(tmp_path, settings).read_text(encoding="utf-8")
    assert "run-b/checkpoint-10" in page and "else/run-b/checkpoint-10" in page


def test_a_name_that_no_module_gives_is_an_error_and_no_gap(package: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no_such_name"):
        code_of(template(tmp_path, "from secml_workbench.explanation import no_such_name"))
