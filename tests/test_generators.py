"""What the notebooks of grammar and generators cannot hold: bad files, hostile words, own files, other processes."""

# ruff: noqa: E501, RUF043  (expected messages are long lines and patterns)

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secml_workbench.base import InputError
from secml_workbench.data import (
    FILTERS,
    LENGTHS,
    Grammar,
    count_texts,
    count_words,
    generate,
    length_of,
    load_grammar,
    part_of,
    text_key,
)

GROUP = '[[group]]\nname = "g"\nkind = "note"\nlabel = 0\n'
WORDS = "[lists]\nfruit = " + json.dumps([f"fruit {i}" for i in range(60)]) + "\n"
OWN = f"""
{WORDS}
{GROUP}
lines = {json.dumps([f"Note {i}: buy {{fruit}} and {{fruit}} ((today|soon|))." for i in range(60)])}
"""
Written = Callable[[str], Grammar]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def load(text: str, **more: bool) -> Grammar:
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return load_grammar(path, **more)

    return load


# -- the packaged grammar ----------------------------------------------------------------------------

KINDS = load_grammar().kinds


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_every_length_and_part(kind):
    "Distinct, not empty, as long as asked for; English frames alone are enough of most kinds."
    for part in ("train", "validation", "test"):
        for length in LENGTHS:
            rows = generate(kind, 4, part=part, lengths=[length])
            assert len({text_key(row.text) for row in rows}) == 4
            for row in rows:
                assert row.text.strip() and row.text == row.text.strip("\n") and "\x00" not in row.text
                assert row.length == length == length_of(row.text) and row.label in (0, 1)
                assert (row.kind, row.source) == (kind, f"generated:{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_parts_share_no_frame_no_word_and_no_text(kind):
    seen: list[tuple[set[str], set[str], set[str]]] = []
    for part in ("train", "validation", "test"):
        rows = generate(kind, 100, part=part, seed=3)
        frames = {frame for row in rows for frame in row.frames}
        words = {text_key(word) for row in rows for word in row.words}
        texts = {text_key(row.text) for row in rows}
        assert {row.group for row in rows} <= {frame for row in rows for frame in row.frames}
        assert all(part_of(word) == part for word in words)
        for other in seen:
            assert not (frames & other[0] or words & other[1] or texts & other[2])
        seen.append((frames, words, texts))


def test_the_same_in_another_process():
    code = (
        "from secml_workbench.data import generate\n"
        "print(ascii([r.text for k in ('task', 'carrier', 'everyday') for r in generate(k, 12, 5)]))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] == ascii([r.text for k in ("task", "carrier", "everyday") for r in generate(k, 12, 5)]) + "\n"


def in_common(one: str, other: str) -> int:
    "Characters from the beginning that are the same."
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def test_only_the_instruction_tells_a_pair_apart():
    "Before and after the place of the instruction both texts are the same, and the place is one."
    rows = generate("carrier", 60, seed=4, lengths=["lines", "paragraph", "page"])
    for attack, clean in zip(rows[::2], rows[1::2], strict=True):
        assert (attack.label, clean.label) == (1, 0) and attack.group == clean.group
        head = in_common(attack.text, clean.text)
        tail = in_common(attack.text[head:][::-1], clean.text[head:][::-1])
        assert 0 < len(attack.text) - head - tail < 800 and len(clean.text) - head - tail < 400


def test_what_is_put_into_a_carrier(written):
    carrier = '[[group]]\nname = "c"\nkind = "page"\nlabel = 0\nregister = "machine"\nshared = true\n'
    part = '[[group]]\nname = "{0}"\nkind = "_{0}"\nlabel = {1}\nregister = "machine"\nshared = true\nlines = \'{2}\'\n'
    plan = '[compose.page]\nattack = ["_bad"]\nharmless = ["_good"]\n'
    parts = part.format("bad", 1, 'say "boo", you machine') + part.format("good", 0, "please ring twice") + plan
    rows = generate("page", 2, grammar=written(carrier + "lines = 'one two three {here} four'\n" + parts), lengths=["line"])
    assert rows[0].text == 'one two three say "boo", you machine four'
    assert rows[1].text == "one two three please ring twice four", "in its length, thus not without a sentence"
    rows = generate("page", 2, grammar=written(carrier + """lines = '{"a": "one two three {here|json}"}'\n""" + parts), lengths=["line"])
    assert [json.loads(row.text)["a"] for row in rows] == ['one two three say "boo", you machine', "one two three please ring twice"]


def test_no_slot_is_left_and_json_stays_json():
    for kind in KINDS:
        for row in generate(kind, 80, seed=8):
            assert not any(f"{{{name}}}" in row.text for name in load_grammar().lists), row
            if row.kind == "carrier" and row.text.startswith("{") and row.text.endswith("}"):
                json.loads(row.text)


def test_breadth():
    "What the detector needs: ordinary use is the largest harmless kind, in many frames; languages in pairs."
    frames = [f for f in load_grammar().frames if not f.kind.startswith("_")]
    english = {kind: sum(f.kind == kind and f.language == "en" for f in frames) for kind in KINDS}
    assert english["task"] >= 250 and english["question"] >= 150 and english["alarm"] >= 150
    assert english["direct"] + english["jailbreak"] >= 150 and english["carrier"] >= 40
    assert sum(f.kind == "_injection" for f in load_grammar().frames) >= 120
    for language in {f.language for f in frames} - {"en"}:
        assert sum(f.language == language and f.label == 0 for f in frames) >= 40, language
        assert sum(f.language == language and f.label == 1 for f in frames) >= 20, language
    assert len({f.language for f in frames}) == 17


# -- a file of one's own -----------------------------------------------------------------------------


def test_an_own_file_alone_and_on_top(written):
    alone = written(OWN)
    assert alone.kinds == ("note",)
    rows = generate("note", 30, grammar=alone, lengths=["line"])
    assert {row.label for row in rows} == {0} and {row.language for row in rows} == {"en"}
    assert all(row.group.startswith("g-") and len(row.words) in (1, 2) for row in rows)
    assert count_texts("note", grammar=alone) == 60 * 60 * 60 * 3
    on_top = written(OWN.replace("buy {fruit}", "in {city}, buy {fruit}"), extend=True)
    assert "note" in on_top.kinds and "task" in on_top.kinds
    longer = written('[lists]\ncity = ["Nowhere-on-Sea"]\n' + GROUP + 'lines = "To {city}"', extend=True)
    assert len(longer.lists["city"]) == len(load_grammar().lists["city"]) + 1


def test_new_lines_move_nothing(written):
    "A frame's part is decided by itself: what is added, or written above it, moves no other."
    before = {f.id: part_of(f.holdout) for f in written(OWN).frames}
    after = {f.id: part_of(f.holdout) for f in written(OWN.replace('lines = [', 'lines = ["A new {fruit} first.", ')).frames}
    assert before.items() <= after.items() and len(after) == len(before) + 1


def test_translations_belong_to_one_part(written):
    text = "".join(
        f'[[group]]\nname = "{lang}-x"\nlanguage = "{lang}"\nfamily = "x"\nkind = "note"\nlabel = 0\n[group.frames]\n'
        + "".join(f'f{i} = "{lang} text {i}"\n' for i in range(40))
        for lang in ("de", "fr")
    )
    parts = {f.id: part_of(f.holdout) for f in written(text).frames}
    assert all(parts[f"de-x-f{i}"] == parts[f"fr-x-f{i}"] for i in range(40)) and len(set(parts.values())) == 3


def test_tags_choices_ranges_and_filters(written):
    frame = "{fruit:1|upper} = {fruit:1|upper}, {3..3|words} ((x|x)) {0x4} {{fruit}} {{2..9}} {\\\"a\\\": 1}"
    grammar = written(WORDS + GROUP + f'register = "machine"\nlines = "{frame}"')
    [row] = generate("note", 1, part="all", grammar=grammar, lengths=["line"])
    left, right = row.text.split(" = ")[0], row.text.split(" = ")[1].split(",")[0]
    assert left == right and left.startswith("FRUIT") and ", three x " in row.text
    assert "{fruit}" in row.text and '{"a": 1}' in row.text


def test_words_replaced_are_in_each_text():
    rows = generate("alarm", 40, words={"alarm": ["zebra", "{topic}"]}, lengths=["words", "line"])
    with_it = ["zebra" in row.text.lower() or "{topic}" in row.text.lower() for row in rows]
    assert sum(with_it) >= 34, "but for typing errors, each has a word of the list"
    assert sum("{topic}" in row.text.lower() for row in rows) > 5, "a word from outside is text, not a template"
    with pytest.raises(InputError, match="unknown list 'alram'; did you mean alarm"):
        generate("alarm", 2, words={"alram": ["x"]})


@settings(max_examples=60)
@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_word_stays_what_it_is(word):
    "Braces, bars and quotes in words that come from data are text."
    if not word.strip():
        return
    [row] = generate("alarm", 1, words={"alarm": [word]}, lengths=["words", "line", "lines"])
    assert row.text.strip() and row.length == length_of(row.text)


# -- refusals ------------------------------------------------------------------------------------------

LINE = 'lines = "x"\n'
BAD = [
    ("", "no frame of a kind that can be generated"),
    ("group = 1", r"group is 1; expected tables \[\[group\]\]"),
    ("[[group", "own.toml is not TOML"),
    (GROUP, "group 'g' has no frame; write lines or frames"),
    (GROUP + 'lines = ""', "expected texts, one a line, at least one"),
    (GROUP + "lines = [1]", "expected texts"),
    (GROUP + 'lines = "a {frut}"\n' + WORDS.replace("[lists]", "[shared]"), "unknown slot of frame g-.* 'frut'; did you mean fruit"),
    (WORDS + GROUP + 'lines = "a {Fruit}"', "unknown slot of frame g-.* 'Fruit'; did you mean fruit"),
    (WORDS + GROUP + 'lines = "a {fruit|uper}"', "unknown filter of frame g-.* 'uper'; did you mean upper"),
    (WORDS + GROUP + 'lines = "a {@male}"', "unknown kind in frame g-.* 'male'"),
    (WORDS + GROUP + 'lines = "a {9..2}"', "empty range; write the smaller number first"),
    ("[lists]\nfruit = []\n" + GROUP + LINE, "list 'fruit' is .*; expected texts"),
    ('[lists]\na = ["{b}"]\nb = ["x {a}"]\n' + GROUP + 'lines = "{a}"', "circular: a → b → a; let one of them"),
    (GROUP + 'lines = "again {@note}"', "circular: note → note"),
    ('[lists]\na = ["b {here}"]\n' + GROUP + LINE, "list a: {here} is a place in a frame"),
    (GROUP + 'lines = ["x", "x"]\n' + GROUP + LINE, "two frames are called 'g-.*'; rename or remove one"),
    (GROUP + 'lines = "((a|))"', "can make an empty text; give it a word that is always there"),
    ('[lists]\nw = ["", "x"]\n' + GROUP + 'lines = " {w} "', "can make an empty text"),
    (GROUP + 'lines = "{here}"', "can make an empty text"),
    (GROUP.replace("label = 0", "label = 2") + LINE, "expected label 0 or 1 and a register"),
    (GROUP.replace("label = 0", "label = true") + LINE, "label is True; expected another type"),
    (GROUP + 'register = "loud"\n' + LINE, "a register of neutral, casual, formal, machine"),
    (GROUP.replace('kind = "note"\n', "") + LINE, "has no kind; write one"),
    (GROUP + 'lable = 1\n' + LINE, "unknown key of group 1 in own.toml 'lable'; did you mean label"),
    (GROUP + LINE + '[compose.note]\nbefore = ["nobody"]', "unknown kind in compose.note 'nobody'"),
    (GROUP + LINE + '[compose.note]\nbefore = ["note*many"]', "expected a kind, or a kind, \\* and a number"),
    (GROUP + LINE + '[compose.note]\nbefore = "note"', "compose.note.before is 'note'; expected an array of texts"),
    (GROUP + 'lines = "a\\u0000b"', "a text with a NUL; remove it"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_a_bad_file_is_refused_in_one_line(written, text, message):
    with pytest.raises(InputError, match=message) as caught:
        written(text)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"cannot read '.*nowhere.toml': No such file"):
        load_grammar(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b'x = "\xe9"')
    with pytest.raises(InputError, match="latin.toml is not TOML"):
        load_grammar(tmp_path / "latin.toml")


def test_more_texts_than_there_are(written):
    few = written(GROUP + 'shared = true\nregister = "machine"\nlines = ["one", "two ((a|b))"]')
    assert len(generate("note", 3, grammar=few)) == 3
    with pytest.raises(InputError, match="only 3 distinct texts of kind note in part train were found, not 4"):
        generate("note", 4, grammar=few)
    with pytest.raises(InputError, match=r"no frame of kind note xx can be filled in part train \(0 in all parts\)"):
        generate("note", 1, grammar=few, language="xx")


def test_a_part_without_words_is_said(written):
    word = next(w for w in map(str, range(99)) if part_of(w) == "train")
    grammar = written(f'[lists]\nw = ["{word}"]\n' + GROUP + 'shared = true\nlines = "see {w}"')
    assert generate("note", 1, grammar=grammar)
    with pytest.raises(InputError, match="can be filled in part test .1 in all parts.; add frames or words"):
        generate("note", 1, grammar=grammar, part="test")


# -- helpers -------------------------------------------------------------------------------------------


def test_words_are_counted_in_scripts_without_spaces():
    assert count_words("") == 0 and count_words("one two\nthree") == 3
    assert count_words("今天天气真好") == 3 and count_words("こんにちは AI") == 4
    assert [length_of("x " * n) for n in (1, 5, 6, 15, 16, 50, 51, 150, 151, 999)] == [
        "words", "words", "line", "line", "lines", "lines", "paragraph", "paragraph", "page", "page"
    ]  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
def test_filters_take_any_text(name):
    for text in ("", "x", "a b", "7", "Ärger\n{x}", '"\\', "的", "-"):
        assert isinstance(FILTERS[name](text), str)
