"""ONNX folders of other exporters: the same numbers as torch, or one line that says what the file is."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from architectures import CORPUS, build
from onnx import TensorProto, helper, numpy_helper

from secml_workbench.base import InputError, UnsupportedError
from secml_workbench.models import export_onnx, load_classifier, onnx_backend
from secml_workbench.quantization import weights_size

TEXTS = [*CORPUS[:5], "", "word " * 200, "hello"]
node = helper.make_node


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    "A torch classifier and its export of standard operators."
    folder = tmp_path_factory.mktemp("source")
    classifier = load_classifier(build("bert", folder / "torch"), device="cpu")
    return classifier, export_onnx(classifier, folder / "onnx", fuse=False)


def changed(source, folder: Path, change, *, place="onnx/model.onnx", **save) -> Path:
    "The export with another graph."
    shutil.copytree(source[1], folder)
    file = folder / "onnx" / "model.onnx"
    graph = onnx.load(str(file))
    graph = change(graph) or graph
    file.unlink()
    (folder / place).parent.mkdir(exist_ok=True)
    onnx.save(graph, str(folder / place), **save)
    return folder


def outputs(model, *wanted, nodes=(), stored=()):
    "Other nodes at the end, and other outputs."
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(value), name) for name, value in dict(stored).items()
    )
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in wanted)


PROBABILITIES = ("p", TensorProto.FLOAT, ["batch", 2])


def int32_inputs(model):
    for given in model.graph.input:
        given.type.tensor_type.elem_type = TensorProto.INT32
        for one in model.graph.node:
            one.input[:] = [f"{name}_64" if name == given.name else name for name in one.input]
        model.graph.node.insert(0, node("Cast", [given.name], [f"{given.name}_64"], to=TensorProto.INT64))


def softmax_inside(model):
    nodes = [
        node("Softmax", ["logits"], ["s"], axis=-1),
        node("Identity", ["s"], ["i"]),
        node("Cast", ["i"], ["p"], to=1),
    ]
    outputs(model, PROBABILITIES, nodes=nodes)


def softmax_in_parts(model):
    "As an older exporter writes it: no node is called softmax."
    nodes = [
        node("Exp", ["logits"], ["e"]),
        node("ReduceSum", ["e", "last"], ["sum"], keepdims=1),
        node("Div", ["e", "sum"], ["p"]),
    ]
    outputs(model, PROBABILITIES, nodes=nodes, stored={"last": [1]})


def log_softmax(model):
    outputs(model, ("l", TensorProto.FLOAT, ["batch", 2]), nodes=[node("LogSoftmax", ["logits"], ["l"], axis=-1)])


def label_first(model):
    label = ("output_label", TensorProto.INT64, ["batch"])
    nodes = [
        node("ArgMax", ["logits"], ["output_label"], axis=-1, keepdims=0),
        node("Softmax", ["logits"], ["p"], axis=-1),
    ]
    outputs(model, label, PROBABILITIES, nodes=nodes)


def hidden_states_too(model):
    "Scores that are not the first output."
    nodes = [node("Unsqueeze", ["logits", "axis"], ["h"])]
    wanted = (("h", TensorProto.FLOAT, ["batch", 1, 2]), ("logits", TensorProto.FLOAT, ["batch", 2]))
    outputs(model, *wanted, nodes=nodes, stored={"axis": [1]})


def sized(batch, tokens):
    def change(model):
        for given in model.graph.input:
            for dim, size in zip(given.type.tensor_type.shape.dim, (batch, tokens), strict=True):
                if size:
                    dim.dim_value = size

    return change


def other_names(model):
    for given in model.graph.input:
        new = {"input_ids": "input_word_ids:0", "attention_mask": "input_mask:0"}[given.name]
        for one in model.graph.node:
            one.input[:] = [new if name == given.name else name for name in one.input]
        given.name = new


SAME = {
    "int32": int32_inputs, "softmax": softmax_inside, "softmax in parts": softmax_in_parts, "log softmax": log_softmax,
    "label first": label_first, "hidden states too": hidden_states_too, "one at a time": sized(1, 0),
    "four at a time": sized(4, 0), "other names": other_names,
}  # fmt: skip


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("kind", SAME)
def test_the_same_numbers_as_torch(source, tmp_path, kind, runtime):
    folder = changed(source, tmp_path / "m", SAME[kind])
    answers = load_classifier(folder, runtime=runtime).predict_proba(TEXTS)
    np.testing.assert_allclose(answers, source[0].predict_proba(TEXTS), atol=2e-5)


@pytest.mark.parametrize("batch", [0, 3])
def test_a_fixed_length_is_the_window(source, tmp_path, batch):
    classifier = load_classifier(changed(source, tmp_path / "m", sized(batch, 24)))
    assert classifier.max_length == 24
    short = [text for text in TEXTS if len(source[0].encode([text])[0].input_ids) <= 24 and len(text) < 100]
    np.testing.assert_allclose(classifier.predict_proba(short), source[0].predict_proba(short), atol=2e-5)
    assert classifier.window_counts(["word " * 200])[0] > source[0].window_counts(["word " * 200])[0]


@pytest.mark.parametrize("family", ["bert", "roberta", "llama"])
def test_token_types_and_positions_are_given(tmp_path, family):
    "A graph that asks for them gets what the model itself would make of them."
    import torch

    torch_one = load_classifier(build(family, tmp_path / "torch"), device="cpu")
    folder = export_onnx(torch_one, tmp_path / "onnx", fuse=False)
    names = ["input_ids", "attention_mask", "position_ids", *(["token_type_ids"] if family != "llama" else [])]
    model = torch_one.model
    model.set_attn_implementation("eager")

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *given):
            return self.model(**dict(zip(names, given, strict=True))).logits

    ones = torch.ones(3, 7, dtype=torch.long)
    example = tuple(ones * (5 if name == "input_ids" else 1 if name == "attention_mask" else 0) for name in names)
    axes = {name: {0: "batch", 1: "sequence"} for name in names} | {"logits": {0: "batch"}}
    torch.onnx.export(
        Logits().eval(), example, str(folder / "onnx" / "model.onnx"), dynamo=False, input_names=names,
        output_names=["logits"], dynamic_axes=axes, opset_version=17,
    )  # fmt: skip
    classifier = load_classifier(folder)
    assert set(names) >= {port.name for port in classifier.plan.facts.inputs} >= {"input_ids", "position_ids"}
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), torch_one.predict_proba(TEXTS), atol=2e-5)


def test_a_sigmoid_inside_is_not_applied_again(tmp_path):
    "One output, and several labels that do not exclude each other."
    import torch
    from architectures import config_of, wordpiece
    from transformers import AutoModelForSequenceClassification

    for labels in (("injection",), ("toxic", "insult", "threat")):
        k = len(labels)
        config = config_of("bert", wordpiece(), labels, 80)
        config.problem_type = "multi_label_classification" if len(labels) > 1 else None
        torch.manual_seed(0)
        place = tmp_path / str(len(labels))
        AutoModelForSequenceClassification.from_config(config).save_pretrained(place / "torch")
        wordpiece().save_pretrained(place / "torch")
        torch_one = load_classifier(place / "torch", device="cpu", positive_label=labels[0])
        source = torch_one, export_onnx(torch_one, place / "onnx", fuse=False)

        def change(model, k=k):
            outputs(model, ("p", TensorProto.FLOAT, ["batch", k]), nodes=[node("Sigmoid", ["logits"], ["p"])])

        for problem in {config.problem_type, None}:  # the graph says what the configuration does not
            folder = changed(source, place / f"sigmoid-{problem}", change)
            torch_one.model.config.update({"problem_type": problem})
            torch_one.model.config.save_pretrained(folder)
            inside = load_classifier(folder, positive_label=labels[0])
            np.testing.assert_allclose(inside.predict_proba(TEXTS), torch_one.predict_proba(TEXTS), atol=2e-5)


# -- folders ---------------------------------------------------------------------------------------


def test_the_layouts_of_other_exporters(source, tmp_path):
    root = changed(source, tmp_path / "optimum", lambda model: None, place="model.onnx")
    only = changed(source, tmp_path / "js", lambda model: None, place="onnx/model_quantized.onnx")
    beside = changed(
        source, tmp_path / "large", lambda model: None, save_as_external_data=True, location="model.onnx_data",
        size_threshold=0,
    )  # fmt: skip
    for folder in (root, only, beside):
        np.testing.assert_allclose(
            load_classifier(folder).predict_proba(TEXTS), source[0].predict_proba(TEXTS), atol=2e-5
        )
    large = [file.stat().st_size for file in (beside / "onnx").glob("model.onnx*")]
    assert len(large) == 2 and weights_size(beside) == sum(large) > weights_size(root)


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ({"architectures": ["MyOwnForSequenceClassification"]}, ""),
        ({"architectures": ["MyOwnModelWithTwoHeads"], "auto_map": {"AutoModel": "code.Mine"}}, ""),
        ({"quantization_config": {"quant_method": "bitsandbytes"}, "_attn_implementation": "flash_attention_2"}, ""),
        ({"label2id": {"injection": 0, "benign": 1}}, "contradicts itself"),
        ({"architectures": ["BertForTokenClassification"]}, "labels the tokens"),
        ({"problem_type": "regression"}, "a number, not a class"),
        ({"model_type": "my-own"}, r"transformers .* does not have"),
    ],
    ids=str,
)
def test_a_graphs_configuration_is_read_as_that_of_a_torch_model(source, tmp_path, said, refused):
    "But for what is about torch alone: whose code it was, how its weights were packed."
    shutil.copytree(source[1], tmp_path / "a")
    file = tmp_path / "a" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | said))
    if refused:
        with pytest.raises(InputError, match=refused):
            load_classifier(tmp_path / "a")
    else:
        found = load_classifier(tmp_path / "a").predict_proba(TEXTS)
        np.testing.assert_allclose(found, source[0].predict_proba(TEXTS), atol=2e-5)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    "A hub of one repository, in a cache of links to blobs; give it the repository's folder."
    import huggingface_hub
    from huggingface_hub.utils import filter_repo_objects

    fetched = []

    def serve(repository: Path):
        def names(name):
            return sorted(file.relative_to(repository).as_posix() for file in repository.rglob("*") if file.is_file())

        def snapshot(name, *, allow_patterns, ignore_patterns):
            folder = tmp_path / "cache" / "snapshots" / "abc"
            for file in filter_repo_objects(
                names(name), allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
            ):
                place, blob = folder / file, tmp_path / "cache" / "blobs" / file.replace("/", "-")
                for one in (place, blob):
                    one.parent.mkdir(parents=True, exist_ok=True)
                if not place.exists():
                    shutil.copy(repository / file, blob)
                    place.symlink_to(blob)
                    fetched.append(file)
            return str(folder)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
        monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda self, name: names(name))
        return fetched

    return serve


@pytest.mark.parametrize("layout", ["js", "optimum", "weights beside", "one of another name"])
def test_of_a_hub_repository_without_safetensors_the_graph_is_fetched(source, tmp_path, hub, layout):
    "And nothing else: neither pickles nor the graphs that nobody asked for."
    place = {"optimum": "model.onnx", "one of another name": "onnx/model_quantized.onnx"}.get(layout, "onnx/model.onnx")
    apart = {"save_as_external_data": True, "location": "model.onnx_data", "size_threshold": 0}
    more = apart if layout == "weights beside" else {}
    repository = changed(source, tmp_path / "repository", lambda model: None, place=place, **more)
    (repository / "pytorch_model.bin").write_bytes(b"pickled")
    if layout != "one of another name":
        (repository / "onnx").mkdir(exist_ok=True)
        shutil.copy(repository / place, repository / "onnx" / "model_q4.onnx")
    fetched = hub(repository)
    found = load_classifier("owner/name")
    np.testing.assert_allclose(found.predict_proba(TEXTS), source[0].predict_proba(TEXTS), atol=2e-5)
    assert [file for file in fetched if ".onnx" in file or ".bin" in file] == sorted(
        {place} | ({"onnx/model.onnx_data"} if more else set())
    )


def test_of_a_hub_repository_with_nothing_to_load_it_is_said_what_it_has(source, tmp_path, hub):
    repository = tmp_path / "repository"
    shutil.copytree(source[0].path, repository)
    (repository / "model.safetensors").rename(repository / "pytorch_model.bin")
    hub(repository)
    with pytest.raises(InputError, match=r"'owner/name' has pickled weights only.*pytorch_model.bin"):
        load_classifier("owner/name")
    (repository / "onnx").mkdir()
    for name in ("q4", "int8"):
        (repository / "onnx" / f"{name}.onnx").write_bytes(b"x")
    with pytest.raises(InputError, match=r"2 ONNX files, none of them model.onnx.*give its path"):
        load_classifier("owner/name")


def test_a_folder_of_the_hub_is_what_is_loaded_of_it(source, tmp_path, caplog):
    "Safetensors beside several ONNX files: torch is taken and said, a path asks for a file, and sizes are of that."
    folder = tmp_path / "detector"
    shutil.copytree(source[0].path, folder)
    shutil.copytree(source[1] / "onnx", folder / "onnx")
    softmax = changed(source, tmp_path / "softmax", softmax_inside)
    for name in ("model_fp16", "model_q4"):
        shutil.copy(softmax / "onnx" / "model.onnx", folder / "onnx" / f"{name}.onnx")
    with caplog.at_level(logging.WARNING):
        assert type(load_classifier(folder, device="cpu")).__name__ == "TorchClassifier"
    assert "3 ONNX files" in caplog.text and "give the path of an ONNX file" in caplog.text
    assert weights_size(folder) == (folder / "model.safetensors").stat().st_size
    asked = load_classifier(folder / "onnx" / "model_q4.onnx")
    assert asked.name == "detector-model_q4" and "model_q4.onnx" in repr(asked) and "probabilities" in repr(asked)
    np.testing.assert_allclose(asked.predict_proba(TEXTS), source[0].predict_proba(TEXTS), atol=2e-5)
    assert weights_size(asked.file) == asked.plan.facts.size == asked.file.stat().st_size
    (folder / "model.safetensors").unlink()
    assert load_classifier(folder).file.name == "model.onnx"
    (folder / "onnx" / "model.onnx").unlink()
    with pytest.raises(InputError, match=r"2 ONNX files.*give the path"):
        load_classifier(folder)


# -- refusals --------------------------------------------------------------------------------------


def hidden_states(model):
    outputs(
        model,
        ("h", TensorProto.FLOAT, ["batch", 1, 2]),
        nodes=[node("Unsqueeze", ["logits", "axis"], ["h"])],
        stored={"axis": [1]},
    )


def label_only(model):
    outputs(
        model,
        ("label", TensorProto.INT64, ["batch"]),
        nodes=[node("ArgMax", ["logits"], ["label"], axis=-1, keepdims=0)],
    )


def three_labels(model):
    outputs(
        model,
        ("l", TensorProto.FLOAT, ["batch", 3]),
        nodes=[
            node("Concat", ["logits", "logits"], ["four"], axis=1),
            node("Slice", ["four", "from", "to", "on"], ["l"]),
        ],
        stored={"from": [0], "to": [3], "on": [1]},
    )


def three_labels_unsaid(model):
    three_labels(model)
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")


def one_row(model):
    outputs(
        model, ("one", TensorProto.FLOAT, [1, 2]), nodes=[node("ReduceMean", ["logits"], ["one"], keepdims=1, axes=[0])]
    )


def no_batch(model):
    outputs(
        model, ("l", TensorProto.FLOAT, ["batch"]), nodes=[node("ReduceMean", ["logits"], ["l"], keepdims=0, axes=[1])]
    )


def nan(model):
    nodes = [
        node("Mul", ["logits", "zero"], ["none"]),
        node("Div", ["logits", "none"], ["d"]),
        node("Sub", ["d", "d"], ["l"]),
    ]
    outputs(model, ("l", TensorProto.FLOAT, ["batch", 2]), nodes=nodes, stored={"zero": np.float32(0)})


def fails(model):
    "Asks for more memory than there is."
    nodes = [
        node("ConstantOfShape", ["many"], ["big"], name="x\x1b]0;owned\x07\x1b[31m"),
        node("ReduceMean", ["big"], ["o"], keepdims=0),
        node("Add", ["logits", "o"], ["l"]),
    ]
    outputs(model, ("l", TensorProto.FLOAT, ["batch", 2]), nodes=nodes, stored={"many": [10**13]})


def across_the_batch(model):
    outputs(model, PROBABILITIES, nodes=[node("Softmax", ["logits"], ["p"], axis=0)])


def dictionaries(model):
    outputs(model)
    pairs = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    )
    model.graph.output.append(helper.make_value_info("output_probability", pairs))


def takes(name, kind=TensorProto.INT64):
    def change(model):
        model.graph.input.append(helper.make_tensor_value_info(name, kind, ["batch", "sequence"]))

    return change


def too_new(model):
    model.opset_import[0].version = 99


def strange(model):
    outputs(model, PROBABILITIES, nodes=[node("Head\x1b[31m", ["logits"], ["p"], domain="com.acme\x1b]0;owned\x07")])


def weights_at(place, length=4):
    def change(model):
        tensor = TensorProto(
            name="elsewhere", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL
        )
        for key, value in (("location", place), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)
        model.graph.initializer.append(tensor)

    return change


REFUSED = {
    "hidden states": (hidden_states, "hidden states.*text-classification"),
    "label only": (label_only, "no scores"),
    "three labels": (three_labels, "3 numbers.*2 labels"),
    "three labels unsaid": (three_labels_unsaid, r"\(4, 3\)|, 3\)"),
    "one row": (one_row, "free batch size"),
    "no batch": (no_batch, "no scores"),
    "nan": (nan, "NaN"),
    "fails": (fails, "failed on"),
    "across the batch": (across_the_batch, "does not sum"),
    "dictionaries": (dictionaries, "zipmap=False"),
    "pixels": (takes("pixel_values"), "pixel_values.*expected input_ids"),
    "texts": (takes("text", TensorProto.STRING), "takes texts"),
    "generation": (takes("past_key_values.0.key"), "generates texts"),
    "too new": (too_new, "opset 17"),
    "strange": (strange, "standard operators"),
    "parent folder": (weights_at("../../weights.bin"), "leads out"),
    "absolute": (weights_at("/etc/passwd"), "leads out"),
    "hidden file": (weights_at(".weights"), "leads out"),
    "missing": (weights_at("model.onnx_data"), "lacks 'model.onnx_data'"),
    "cut off": (weights_at("export.json", 10**9), "ends before"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_classifier_of_texts_is_one_line_at_load(source, tmp_path, kind):
    change, said = REFUSED[kind]
    folder = changed(source, tmp_path / "m", change)
    with pytest.raises((InputError, UnsupportedError), match=said) as caught:
        load_classifier(folder)
    message = str(caught.value).replace(str(folder), "")
    assert message.isprintable() and len(message) <= 320, message


@pytest.mark.parametrize(
    "held", [b"", b"not a graph", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", None]
)
def test_a_file_that_is_no_graph(source, tmp_path, held):
    folder = Path(shutil.copytree(source[1], tmp_path / "m"))
    file = folder / "onnx" / "model.onnx"
    file.write_bytes(file.read_bytes()[:5000] if held is None else held)
    with pytest.raises(InputError, match="git lfs pull" if held and b"lfs" in held else "fetch or export it again"):
        load_classifier(folder)


def test_names_of_a_graph_never_reach_the_terminal(source, tmp_path):
    "onnxruntime's own log would print them as they are."
    program = "import sys\nfrom secml_workbench.models import load_classifier\n"
    program += "try: load_classifier(sys.argv[1])\nexcept Exception as e: print(e)"
    for change in (fails, strange):
        folder = changed(source, tmp_path / change.__name__, change)
        run = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, check=True)
        assert (
            b"\x1b" not in run.stdout + run.stderr
            and b"\x07" not in run.stdout + run.stderr
            and run.stdout.count(b"\n") == 1
        )


def test_a_window_that_memory_cannot_hold_is_refused(source, monkeypatch):
    classifier = load_classifier(source[1])
    monkeypatch.setattr(onnx_backend.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10**9})())
    monkeypatch.setattr(classifier, "max_length", 40_960)
    with pytest.raises(
        UnsupportedError, match=r"window of 40000 tokens needs about 76\.8 GB.*1\.0 GB are free.*max_length"
    ):
        classifier.rows(*np.ones((2, 1, 40_000), dtype=np.int64))
