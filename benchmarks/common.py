"""What every benchmark shares: the form of a row and of the result."""

from pathlib import Path
from typing import Any

from secml_workbench.base import Provenance, atomic_write, dumps
from secml_workbench.data import Estimate

ROOT = Path(__file__).resolve().parents[1]


def row(case, ours, unit, *, peer=None, ratio=None, low=None, high=None, target=None, met=None) -> dict[str, Any]:
    "One row of the result; `ratio` is how many times better than the peer."
    return {
        "case": case, "ours": ours, "peer": peer, "unit": unit, "ratio": ratio,
        "low": low, "high": high, "target": target, "met": met,
    }  # fmt: skip


def speed_row(case: str, speed: Estimate, target: float | None = None) -> dict[str, Any]:
    "A speed-up over torch fp32."
    met = None if target is None else (speed.estimate or 0) >= target
    return row(
        case, speed.estimate, "times torch",
        ratio=speed.estimate, low=speed.low, high=speed.high, target=target, met=met,
    )  # fmt: skip


def publish(name: str, rows: list[dict[str, Any]], origin: Provenance, **more: Any) -> None:
    "Write benchmarks/results/<name>.json and print it."
    result = {"provenance": origin, **more, "rows": rows}
    atomic_write(ROOT / "benchmarks" / "results" / f"{name}.json", dumps(result))
    for one in rows:
        met = {True: "met", False: "NOT MET", None: ""}[one["met"]]
        interval = "" if one["low"] is None else f"[{one['low']:.2f}, {one['high']:.2f}]"
        ratio = "" if one["ratio"] is None else f"{one['ratio']:.2f}x"
        print(f"{one['case']:<92} {one['ours'] + 0.0:>9.3f} {one['unit']:<12} {ratio:>8} {interval:>16} {met}")
