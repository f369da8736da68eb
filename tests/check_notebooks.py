"""Fails when `nbdev-clean` or `nbdev-export` would change the tree: notebooks saved clean, the package its export.

It works on a copy, so that a failing check leaves the checkout as it is.
"""

import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ("nbs", "secml_workbench", "pyproject.toml", "README.md")


def changed(before: Path, after: Path) -> list[str]:
    "Files below two folders that differ or are on one side only."
    names = {p.relative_to(base) for base in (before, after) for p in base.rglob("*") if p.is_file()}
    return sorted(
        str(name)
        for name in names
        if "__pycache__" not in name.parts
        and ".ipynb_checkpoints" not in name.parts
        and not (
            (before / name).is_file()
            and (after / name).is_file()
            and filecmp.cmp(before / name, after / name, shallow=False)
        )
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in FILES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
            else:
                shutil.copy2(source, copy / name)
        subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
        for command in ("nbdev-clean", "nbdev-export"):
            subprocess.run([str(Path(sys.executable).parent / command)], cwd=copy, check=True)
        rows = [f"nbs/{n}: nbdev-clean changes it" for n in changed(ROOT / "nbs", copy / "nbs")]
        rows += [
            f"secml_workbench/{n}: not what nbdev-export writes"
            for n in changed(ROOT / "secml_workbench", copy / "secml_workbench")
        ]
    print("\n".join(rows) if rows else "notebooks are clean and exported")
    return 1 if rows else 0


if __name__ == "__main__":
    sys.exit(main())
