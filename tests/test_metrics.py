"""What the metrics notebook cannot hold: properties over random labels and scores, against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from secml_workbench.base import InputError
from secml_workbench.data import (
    METRICS,
    difference_of,
    estimates,
    evaluate,
    mean_estimate,
    paired_comparison,
    paired_difference,
    ratio_of_medians,
    share_of,
    threshold_at_fpr,
)  # fmt: skip

QUICK = settings(max_examples=80)
SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0]) | st.floats(0, 1)
ROWS = st.lists(st.tuples(st.integers(0, 1), SCORES), max_size=40)


@QUICK
@given(rows=ROWS)
def test_plain_values_equal_scikit_learn(rows):
    y, p = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    found = evaluate(y, p, n_boot=0)
    if len(set(y.tolist())) < 2:
        assert found["roc_auc"].estimate is None and found["roc_auc"].reason
        return
    false_rate, true_rate, _ = sk.roc_curve(y, p, drop_intermediate=False)
    theirs = {
        "roc_auc": sk.roc_auc_score(y, p),
        "average_precision": sk.average_precision_score(y, p),
        "f1": sk.f1_score(y, p >= 0.5, zero_division=0),
        "accuracy": sk.accuracy_score(y, p >= 0.5),
        "brier": sk.brier_score_loss(y, p),
        "recall_at_fpr": true_rate[false_rate <= 0.01].max(),
    }
    for name, value in theirs.items():
        assert math.isclose(found[name].estimate, value, abs_tol=1e-9), name


@QUICK
@given(rows=ROWS, bad=st.lists(st.sampled_from([math.nan, 0.5]), max_size=3), n_boot=st.integers(0, 30))
def test_nothing_in_range_raises_and_nothing_is_nan(rows, bad, n_boot):
    y = [r[0] for r in rows] + [1] * len(bad)
    p = [r[1] for r in rows] + bad
    found = evaluate(y, p, metrics=list(METRICS), n_boot=n_boot, hard_benign=[label == 0 for label in y])
    for name, estimate in found.items():
        values = (estimate.estimate, estimate.low, estimate.high)
        assert all(v is None or math.isfinite(v) for v in values), name
        assert estimate.reason or None not in values
        assert (estimate.low is None) == (estimate.high is None)
    for name in set(METRICS) - {"hard_benign_fpr"}:
        assert math.isnan(METRICS[name].function(y, p)) == (found[name].estimate is None)


@QUICK
@given(rows=ROWS.filter(lambda rows: any(r[0] == 0 for r in rows)), fpr=st.sampled_from([0, 0.01, 0.1, 0.29, 0.5]))
def test_threshold_at_fpr_is_the_smallest_that_holds(rows, fpr):
    y, p = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    at = threshold_at_fpr(y, p, fpr)
    assert (p[y == 0] >= at).mean() <= fpr + 1e-9 < (p[y == 0] >= np.nextafter(at, -1)).mean() + 1e-9
    if fpr == 0.01 and (y == 1).any():
        assert METRICS["recall_at_fpr"].function(y, p) == pytest.approx((p[y == 1] >= at).mean())


def test_replicates_do_not_depend_on_the_block_size(monkeypatch):
    rng = np.random.default_rng(0)
    y, p, groups = rng.random(200) < 0.4, rng.random(200), rng.integers(0, 60, 200)
    whole = [evaluate(y, p, n_boot=50), evaluate(y, p, n_boot=50, groups=groups)]
    monkeypatch.setattr(estimates, "_CELLS", 1_000)
    pieces = [evaluate(y, p, n_boot=50), evaluate(y, p, n_boot=50, groups=groups)]
    for one, other in zip(whole, pieces, strict=True):
        for name in one:
            assert str(one[name]) == str(other[name])


def test_bootstrap_is_that_of_drawn_rows():
    """The weights give the distribution that drawing rows one by one gives."""
    rng = np.random.default_rng(1)
    y = rng.random(300) < 0.5
    p = np.clip(rng.normal(0.3 + 0.4 * y, 0.3), 0, 1)
    ours = evaluate(y, p, metrics=["roc_auc"], n_boot=2_000)["roc_auc"]
    drawn = [sk.roc_auc_score(y[i], p[i]) for i in (rng.integers(0, 300, 300) for _ in range(1_000))]
    assert np.allclose((ours.low, ours.high), np.quantile(drawn, (0.025, 0.975)), atol=0.01)


def test_copies_of_texts_do_not_narrow_a_cluster_interval():
    rng = np.random.default_rng(2)
    y = rng.random(150) < 0.5
    p = np.clip(rng.normal(0.35 + 0.3 * y, 0.3), 0, 1)
    once = evaluate(y, p, metrics=["accuracy"])["accuracy"]
    copied = {"y": np.tile(y, 9), "p": np.tile(p, 9), "metrics": ["accuracy"]}
    naive = evaluate(**copied)["accuracy"]
    honest = evaluate(**copied, groups=np.tile(np.arange(150), 9))["accuracy"]
    assert naive.high - naive.low < 0.5 * (once.high - once.low)
    assert math.isclose(honest.high - honest.low, once.high - once.low, rel_tol=0.15)


def test_hard_benign_in_values_and_differences():
    y, hard = [0, 0, 0, 1], [True, True, False, False]
    p_a, p_b = [0.9, 0.1, 0.9, 0.9], [0.1, 0.1, 0.1, 0.9]
    assert evaluate(y, p_a, hard_benign=hard)["hard_benign_fpr"].estimate == 0.5
    assert paired_difference("hard_benign_fpr", y, p_a, p_b, hard_benign=hard).estimate == -0.5
    for wrong in ([True], [[True] * 4]):
        with pytest.raises(InputError):
            evaluate(y, p_a, hard_benign=wrong)


def _sound(one, what):
    "An interval holds its value and is no point; where there is none, a reason says why."
    if one.low is None:
        assert one.reason, what
    else:
        assert one.low <= one.estimate <= one.high and one.low < one.high, (what, one)


@QUICK
@given(rows=ROWS, sizes=st.integers(1, 5), other=st.integers(0, 3))
def test_no_interval_is_a_point(rows, sizes, other):
    """All right, all wrong, tied, one group or one class: an interval has a width, or there is none and it says why."""
    y, p = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    groups = np.arange(len(y)) // sizes
    hard = y == 0
    for name, one in evaluate(y, p, metrics=list(METRICS), n_boot=100, groups=groups, hard_benign=hard).items():
        _sound(one, name)
    second = (p, 1 - p, np.full(len(p), 0.5), np.where(y == 1, 1.0, 0.0))[other]
    for name in METRICS:
        _sound(paired_difference(name, y, p, second, n_boot=100, groups=groups), name)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "brier"])
def test_a_difference_rests_on_few_texts_or_on_many(metric):
    "Of few the unseen event decides; of many resampling does, and a real gain is seen over 400 texts."
    rng = np.random.default_rng(3)
    y, noise = np.arange(400) % 2 == 0, rng.normal(size=400)
    a = 1 / (1 + np.exp(-2.0 * (y - 0.5) - noise))
    few = np.where(np.arange(400) % 30 == 0, np.clip(a + rng.standard_cauchy(400) / 5, 0, 1), a)
    many = 1 / (1 + np.exp(-3.2 * (y - 0.5) - noise))
    asked = {"threshold": 0.5, "n_boot": 300, "seed": 0, "groups": None}
    for b in (few, many):
        plain, always = (paired_comparison.paired_change(metric, y, a, b, **asked, unseen=u)[0] for u in (False, True))
        ratio = (plain.high - plain.low) / (always.high - always.low)
        assert ratio == 1 if b is few else ratio < 0.8, (ratio, plain, always)
    assert plain.low > 0 if metric != "brier" else plain.high < 0


VALUES = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=9)


@QUICK
@given(hits=st.integers(0, 30), misses=st.integers(0, 30), values=VALUES)
def test_shares_and_means_have_a_width_and_more_texts_narrow_it(hits, misses, values):
    n = hits + misses
    share = hits / max(n, 1)
    _sound(share_of(share, n), "share")
    _sound(difference_of(share, n, 0.5, 4), "difference")
    _sound(mean_estimate(values, n_boot=100, span=(0, 1)), "mean")
    _sound(mean_estimate(values, n_boot=100), "mean without a range")
    if n:
        one, ten = share_of(share, n), share_of(share, 10 * n)
        copies = share_of(share, 10 * n, np.repeat(np.arange(n), 10))
        assert ten.high - ten.low < one.high - one.low
        assert math.isclose(copies.low, one.low) and math.isclose(copies.high, one.high)  # copies tell nothing


def test_what_was_never_seen_has_the_exact_limit():
    for n in (10, 50):
        y, right = np.array([0, 1] * (n // 2)), np.array([0.1, 0.9] * (n // 2))
        limit = 0.025 ** (1 / n)  # Clopper-Pearson for n of n
        found = evaluate(y, right, metrics=["accuracy"], n_boot=2000)["accuracy"]
        assert (found.estimate, found.high) == (1.0, 1.0) and abs(found.low - limit) < 0.02
        assert math.isclose(share_of(1.0, n).low, limit)
        assert math.isclose(mean_estimate([1.0] * n, span=(0, 1)).low, limit)
        assert evaluate(1 - y, right, metrics=["accuracy"])["accuracy"].high < 1 - limit + 0.02
    nine = evaluate([1] + [0] * 8, [0.2, 0.1] + [0.9] * 7, groups=[0] * 9)
    assert nine["roc_auc"].estimate == 0.125 and nine["roc_auc"].low is None
    assert "one malicious text only" in nine["roc_auc"].reason
    assert "all 9 texts are near-duplicates" in nine["accuracy"].reason
    assert evaluate([0, 1] * 5, [0.3] * 10)["roc_auc"].low < 0.4
    assert ratio_of_medians([2.0] * 9, [1.0] * 9).low is None


def test_more_texts_narrow_every_interval():
    rng = np.random.default_rng(3)
    y = rng.random(2000) < 0.5
    p = 1 / (1 + np.exp(-2 * rng.normal(2 * (y - 0.5), 1)))
    few, many = (evaluate(y[:n], p[:n], metrics=list(METRICS), hard_benign=~y[:n]) for n in (100, 2000))
    for name in METRICS:
        assert many[name].high - many[name].low < few[name].high - few[name].low, name


@pytest.mark.parametrize(("n", "apart"), [(10, 5), (30, 2), (100, 4)])
def test_intervals_hold_the_truth_where_texts_are_few(n, apart):
    def drawn(seed, n):
        rng = np.random.default_rng(seed)
        y = rng.random(n) < 0.5
        return y, 1 / (1 + np.exp(-apart * rng.normal(apart * (y - 0.5), 1)))

    names = ["accuracy", "f1", "roc_auc", "average_precision", "ece"]
    truth = {name: METRICS[name].function(*drawn(9, 200_000)) for name in names}
    found = [evaluate(*drawn(1000 + seed, n), metrics=names, n_boot=100, seed=seed) for seed in range(100)]
    for name in names:
        held = [one[name].low <= truth[name] <= one[name].high for one in found if one[name].low is not None]
        assert np.mean(held) >= 0.9, name
