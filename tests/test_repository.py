"""The rules of the repository: one import direction, no orphans, templates for papermill, a wheel that holds them."""

import ast
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "nbs").glob("[0-9]*.ipynb"))  # start.ipynb exports nothing
TEMPLATES = [p for p in NOTEBOOKS if re.match(r"5\d_.*_report$", p.stem)]


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def exported_module(path: Path) -> str:
    found = [m[1] for c in cells(path) for m in [re.search(r"^#\|\s*default_exp\s+(\S+)", source(c), re.M)] if m]
    assert len(found) == 1, f"{path.name}: {len(found)} default_exp cells; expected one"
    return found[0]


ORDER = {exported_module(p): p.name for p in NOTEBOOKS}


def package_imports(module: str) -> set[str]:
    "Modules of the package that an exported module imports."
    found = set()
    for node in ast.walk(ast.parse((ROOT / "secml_workbench" / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("secml_workbench")):
            name = (node.module or "").removeprefix("secml_workbench").strip(".")
            found |= {name} if name else {a.name for a in node.names}
    return found & ORDER.keys()


def test_clean_and_export_change_nothing():
    run = subprocess.run([sys.executable, ROOT / "tests" / "check_notebooks.py"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_each_notebook_exports_its_own_module():
    assert len(ORDER) == len(NOTEBOOKS)
    modules = {p.stem for p in (ROOT / "secml_workbench").glob("*.py")} - {"__init__", "_modidx"}
    assert modules == ORDER.keys(), "every module has its notebook, every notebook its module"


@pytest.mark.parametrize("module", ORDER)
def test_imports_go_one_way(module):
    upward = {m for m in package_imports(module) if ORDER[m] >= ORDER[module]}
    assert not upward, f"{ORDER[module]} imports {upward}: only lower-numbered notebooks may be imported"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_a_template_does_not_import_another(path):
    templates = {exported_module(p) for p in TEMPLATES}
    assert not package_imports(exported_module(path)) & templates


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
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


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.stem)
def test_a_template_exports_functions_only(path):
    tree = ast.parse((ROOT / "secml_workbench" / f"{exported_module(path)}.py").read_text(encoding="utf-8"))
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert not classes, "a class defined in a template is another class when papermill runs it; move it below"


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p not in TEMPLATES], ids=lambda p: p.stem)
def test_engine_notebooks_are_saved_with_outputs(path):
    code = [c for c in cells(path) if c["cell_type"] == "code"]
    assert any(c["outputs"] for c in code), "a reader on a code host sees no result: execute and save it"
    errors = [o for c in code for o in c["outputs"] if o["output_type"] == "error"]
    assert not errors


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_star_imports_in_exported_cells(path):
    exported = [source(c) for c in cells(path) if re.search(r"^#\|\s*export", source(c), re.M)]
    assert not any(re.search(r"^from\s+\S+\s+import\s+\*", s, re.M) for s in exported)


def test_importing_the_package_is_light():
    code = (
        "import sys, secml_workbench, secml_workbench.cli\n"
        'heavy = set("torch transformers mlflow optuna shap lime onnxruntime sklearn pandas matplotlib".split())\n'
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_templates_assets_and_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"secml_workbench/templates/{p.name}" for p in TEMPLATES} <= names
    assert "secml_workbench/py.typed" in names
    assert any(n.startswith("secml_workbench/assets/") for n in names)
    assert not any(n.startswith(("tests/", "nbs/", "benchmarks/")) for n in names)


def test_readme_is_finished():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "@@" not in text and len(text.splitlines()) <= 150
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert links and all((ROOT / link).is_file() for link in links), links
