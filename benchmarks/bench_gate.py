"""How often the gate passes a variant whose true loss is the limit (2.5 % at most is promised), and one without loss.

    .venv/bin/python benchmarks/bench_gate.py

Simulated detectors, because only there the true loss is known: a text's score is its group's with a little noise, and
in the variant a share of the groups changes sides. Groups of near-duplicates have one text, or sizes from a Pareto
distribution up to a cap. For every metric the share is sought at which the loss over 200,000 groups is the limit.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from common import publish, row
from tqdm.auto import tqdm

from secml_workbench.base import current_provenance
from secml_workbench.data import METRICS
from secml_workbench.quantization import gate

METRIC_NAMES = ("f1", "accuracy", "roc_auc", "recall_at_fpr", "hard_benign_fpr")
LIMIT, TRIALS, N_BOOT, PROMISED = 0.02, 400, 400, 0.025
POPULATION = 200_000  # groups


@dataclass(frozen=True)
class World:
    "Where the texts come from."

    name: str
    groups: int
    shape: float | None = None  # of the Pareto distribution of group sizes; None: one text a group
    cap: int = 1  # largest group
    attacks: float = 0.5  # share of the groups


WORLDS = (
    World("160 texts", 160),
    World("600 texts", 600),
    World("2,000 texts", 2000),
    World("2,000 texts, one attack in ten", 2000, attacks=0.1),
    World("1,500 groups of 1 to 5", 1500, 2.0, 5),
    World("1,500 groups of 1 to 20", 1500, 1.5, 20),
    World("500 groups of 1 to 200", 500, 1.2, 200),
)


@dataclass(frozen=True)
class Sample:
    "Texts with the probabilities of both detectors."

    y: np.ndarray
    reference: np.ndarray
    variant: np.ndarray
    groups: np.ndarray
    hard_benign: np.ndarray


def draw(world: World, share: float, rng: np.random.Generator, groups: int | None = None) -> Sample:
    "Texts of a world; `share` of the groups that were right go wrong, and five times that share of the wrong go right."
    n = groups or world.groups
    sizes = np.ones(n, int)
    if world.shape is not None:
        sizes = np.clip(np.ceil(rng.pareto(world.shape, n)), 1, world.cap).astype(int)
    attack, hard = rng.random(n) < world.attacks, rng.random(n) < 0.3
    latent = np.where(attack, 2.2, -2.2) + rng.normal(0, 1.3, n)
    right = (latent > 0) == attack
    turned = rng.random(n) < np.where(right, share, min(5 * share, 0.5))
    index = np.repeat(np.arange(n), sizes)
    noise = rng.normal(0, 0.1, len(index))
    before, after = (1 / (1 + np.exp(-(one[index] + noise))) for one in (latent, np.where(turned, -latent, latent)))
    return Sample(attack[index].astype(int), before, after, index, (hard & ~attack)[index])


def true_loss(metric: str, world: World, share: float) -> float:
    "The loss over a large population."
    sample = draw(world, share, np.random.default_rng(7), POPULATION)
    rows = sample.hard_benign if metric == "hard_benign_fpr" else np.ones(len(sample.y), bool)
    values = [METRICS[metric].function(sample.y[rows], p[rows]) for p in (sample.reference, sample.variant)]
    return (values[0] - values[1]) * (1 if METRICS[metric].higher_is_better else -1)


def share_at(metric: str, world: World, loss: float) -> float:
    "The share of groups that change sides at which the true loss is `loss`."
    low, high = 0.0, 0.3
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if true_loss(metric, world, middle) < loss else (low, middle)
    return high


def passes(metric: str, world: World, loss: float) -> float:
    "The share of the trials in which the gate passed."
    share = share_at(metric, world, loss) if loss else 0.0
    passed = 0
    for trial in range(TRIALS if loss else TRIALS // 10):
        one = draw(world, share, np.random.default_rng([trial, 1]))
        verdict = gate(
            one.reference, one.variant, one.y, metric=metric, max_accuracy_loss=LIMIT,
            groups=one.groups, hard_benign=one.hard_benign, n_boot=N_BOOT, seed=trial,
        )  # fmt: skip
        passed += verdict.passed
    return passed / (trial + 1)


def main() -> None:
    origin = current_provenance()
    cases = [(metric, world, loss) for world in WORLDS for metric in METRIC_NAMES for loss in (LIMIT, 0.0)]
    with ProcessPoolExecutor() as pool:
        shares = list(tqdm(pool.map(passes, *zip(*cases, strict=True)), total=len(cases)))
    rows = []
    for (metric, world, loss), share in zip(cases, shares, strict=True):
        error = 1.96 * np.sqrt(PROMISED * (1 - PROMISED) / TRIALS)
        target, met = (PROMISED, share <= PROMISED + error) if loss else (None, None)
        said = f"passed though the true loss is {loss:.0%}" if loss else "passed, without any loss"
        rows.append(row(f"{METRICS[metric].title}, {world.name}: {said}", share, "of trials", target=target, met=met))
    publish("gate", rows, origin, trials=TRIALS, n_boot=N_BOOT)


if __name__ == "__main__":
    main()
