"""The rules of the repository: rooms and their one direction, faces, no orphans, templates."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nbdev.config import get_config
from nbdev.doclinks import nbglob

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "secml_workbench"
# The rooms, each floor above the one before it; rooms of one floor do not know each other.
FLOORS = (
    ("base",), ("view",), ("data",), ("models",), ("tuning", "quantization", "explanation"), ("features",),
    ("reports",), ("widgets", "cli"),
)  # fmt: skip
RANK = {room: rank for rank, floor in enumerate(FLOORS) for room in floor}
ALL_NOTEBOOKS = sorted(p for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
NOTEBOOKS = [p for p in ALL_NOTEBOOKS if p.name != "start.ipynb"]  # it exports nothing
TEMPLATES = [p for p in NOTEBOOKS if re.fullmatch(r"5\d_\w+_report", p.stem)]


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def code(path: Path) -> list[str]:
    return [source(c) for c in cells(path) if c["cell_type"] == "code"]


def exported_module(path: Path) -> str:
    found = [m[1] for s in code(path) for m in [re.search(r"^#\|\s*default_exp\s+(\S+)", s, re.M)] if m]
    assert len(found) == 1, f"{path.name}: {len(found)} default_exp cells; expected one"
    return found[0]


MODULES = {exported_module(p): p for p in NOTEBOOKS}
ROOMS = sorted({name.split(".")[0] for name in MODULES if "." in name})


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "nbs").with_suffix("").as_posix()


def imports(tree: ast.AST, module: str = "") -> set[tuple[str, str]]:
    "(place, name) of each import from the package: (\"data\", \"Corpus\"), (\"data.corpus\", \"Corpus\")."
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            parts = [*above, *(node.module or "").split(".")] if node.level else (node.module or "").split(".")[1:]
            if node.level or (node.module or "").split(".")[0] == "secml_workbench":
                found |= {(".".join(filter(None, parts)), alias.name) for alias in node.names}
    return found


def exported_imports(module: str) -> set[tuple[str, str]]:
    file = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    return imports(ast.parse(file.read_text(encoding="utf-8")), module)


def face(room: str) -> dict[str, str]:
    "Name → module, as the stub of a room's face has them."
    tree = ast.parse((PACKAGE / room / "__init__.pyi").read_text(encoding="utf-8"))
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in nodes for alias in node.names}


# -- notebooks and modules -------------------------------------------------------------------------


def test_imports_are_found():
    assert sum(len(imports(ast.parse(text))) for path in NOTEBOOKS for text in code(path) if "%" not in text) > 500


def test_every_notebook_is_looked_at():
    "A glob that finds too little must fail: these tests', nbdev's own, and the count in the folders."
    by_folder = {room: len(list((ROOT / "nbs" / room).glob("[0-9][0-9]_*.ipynb"))) for room in ROOMS}
    assert all(by_folder.values()) and set(by_folder) == set(RANK), by_folder
    assert len(NOTEBOOKS) == sum(by_folder.values()) >= 110
    assert get_config().recursive, "nbdev-export and nbdev-test would skip the rooms, and say nothing"
    assert {Path(p).resolve() for p in nbglob(ROOT / "nbs")} == set(ALL_NOTEBOOKS)
    [skipped] = re.findall(r"nbdev-test .*--skip-file-re '(.+?)'", (ROOT / "Makefile").read_text(encoding="utf-8"))
    tested = {Path(p).resolve() for p in nbglob(ROOT / "nbs", skip_file_re=skipped)}
    assert tested == set(ALL_NOTEBOOKS) - set(TEMPLATES), "make test runs the others; tests/test_templates.py these"


def test_each_notebook_exports_its_own_module():
    assert len(MODULES) == len(NOTEBOOKS)
    modules = {
        ".".join(p.relative_to(PACKAGE).with_suffix("").parts)
        for p in PACKAGE.rglob("*.py")
        if p.name not in ("__init__.py", "_modidx.py")
    }
    assert modules == MODULES.keys(), "every module has its notebook, every notebook its module"
    for module, path in MODULES.items():
        room, _, stem = module.rpartition(".")
        assert path.parent == ROOT / "nbs" / room and re.sub(r"^\d\d_", "", path.stem) == stem, (module, path)


# -- rooms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    "Between rooms downwards only; inside a room from lower numbers only."
    room = module.split(".")[0]
    for place, name in exported_imports(module):
        other = place.split(".")[0]
        if other == room and "." in module:
            target = place if place in MODULES else f"{place}.{name}"
            assert target in MODULES, f"{module} imports {name} of its own room's face"
            assert MODULES[target].name < MODULES[module].name, f"{module} imports {target}: only lower numbers"
        elif other:
            assert RANK[other] < RANK[room], f"{module} imports {name} of {other}: against the direction of the rooms"


@pytest.mark.parametrize("path", ALL_NOTEBOOKS, ids=name_of)
def test_from_outside_a_room_is_imported_through_its_face(path):
    "Exported or not, in each cell of each notebook."
    room = path.parent.name
    for text in code(path):
        tree = ast.parse("\n".join("" if line.startswith(("%", "!")) else line for line in text.splitlines()))
        for place, name in imports(tree):
            other, _, inner = place.partition(".")
            if inner and other != room:
                pytest.fail(f"{name_of(path)} imports {name} of {place}; import it from secml_workbench.{other}")


@pytest.mark.parametrize("room", ROOMS)
def test_a_face_gives_what_it_lists(room):
    "Each name is defined where the stub says, public there, and no module has its name."
    names = face(room)
    assert names, f"{room} has an empty face"
    package = importlib.import_module(f"secml_workbench.{room}")
    assert sorted(names) == sorted(package.__all__)
    modules = {name.split(".")[1] for name in MODULES if name.startswith(f"{room}.")}
    assert not modules & set(names), "a module and a name of the face may not be called the same"
    for name, module in names.items():
        inner = importlib.import_module(f"secml_workbench.{room}.{module}")
        assert name in inner.__all__ and getattr(package, name) is getattr(inner, name), name


def test_the_front_door():
    import secml_workbench

    names = ["load_classifier", "load_corpus", "explain", "quantize", "gate", "make_features", "tune", "run_report"]
    assert all(callable(getattr(secml_workbench, name)) for name in names)
    for name, place in face("").items():
        assert name in face(place), f"{name} is not in the face of {place}"


def test_nothing_imports_a_template():
    templates = {exported_module(p) for p in TEMPLATES}
    assert len(templates) == 4
    for module in MODULES:
        for place, name in exported_imports(module):
            assert not {place, f"{place}.{name}"} & templates, module
    assert not {f"reports.{m}" for m in face("reports").values()} & templates, "what serves one page is in no face"


# -- templates and outputs --------------------------------------------------------------------------


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_has_one_parameters_cell_of_typed_literals(path):
    tagged = [c for c in cells(path) if "parameters" in c["metadata"].get("tags", [])]
    assert len(tagged) == 1
    lines = [line for line in source(tagged[0]).splitlines() if line and not line.startswith("#")]
    for line in lines:
        assert "#" in line, f"no comment to show as help: {line}"
    for node in ast.parse(source(tagged[0])).body:
        assert isinstance(node, ast.AnnAssign) and node.value is not None, ast.unparse(node)
        ast.literal_eval(node.value)
    assert "#| export" not in source(tagged[0])


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_exports_functions_only(path):
    tree = ast.parse(PACKAGE.joinpath(*exported_module(path).split(".")).with_suffix(".py").read_text(encoding="utf-8"))
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert not classes, "a class defined in a template is another class when papermill runs it; move it below"


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p not in TEMPLATES], ids=name_of)
def test_engine_notebooks_are_saved_with_outputs(path):
    code = [c for c in cells(path) if c["cell_type"] == "code"]
    assert any(c["outputs"] for c in code), "a reader on a code host sees no result: execute and save it"
    errors = [o for c in code for o in c["outputs"] if o["output_type"] == "error"]
    assert not errors


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_no_star_imports_in_exported_cells(path):
    exported = [source(c) for c in cells(path) if re.search(r"^#\|\s*export", source(c), re.M)]
    assert not any(re.search(r"^from\s+\S+\s+import\s+\*", s, re.M) for s in exported)


def test_importing_the_package_is_light():
    code = (
        "import sys, secml_workbench\nfrom secml_workbench.cli import app\n"
        'heavy = set("torch transformers mlflow optuna shap lime onnxruntime sklearn pandas matplotlib".split())\n'
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_readme_is_finished():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "@@" not in text and len(text.splitlines()) <= 150
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert links and all((ROOT / link).is_file() for link in links), links


def test_the_start_page_leads_to_each_room():
    "A notebook of each room to open first, and no link that leads nowhere."
    text = "\n".join(source(c) for c in cells(ROOT / "nbs" / "start.ipynb") if c["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    gone = [link for link in links if not (ROOT / "nbs" / link).is_file()]
    assert not gone, f"start.ipynb links to {gone}"
    assert [link.split("/")[0] for link in links] == [room for floor in FLOORS for room in floor]
