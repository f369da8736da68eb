from .protocol import (
    Head as Head,
    AttackLabels as AttackLabels,
    Positive as Positive,
    TextClassifier as TextClassifier,
    check_classifier as check_classifier,
    check_texts as check_texts,
    clean_text as clean_text,
    find_positive as find_positive,
    scores as scores,
    sigmoid as sigmoid,
    softmax as softmax,
)
from .tokens import (
    Window as Window,
    encode_windows as encode_windows,
    special_frame as special_frame,
    text_ids as text_ids,
    text_tokens as text_tokens,
    tokenizer_lock as tokenizer_lock,
)
from .batches import (
    Batches as Batches,
    Neighbours as Neighbours,
    length_batches as length_batches,
    pad_batch as pad_batch,
)
from .windows import (
    TextReader as TextReader,
    WindowedClassifier as WindowedClassifier,
    measure_neighbours as measure_neighbours,
    predict_windows as predict_windows,
)
from .folders import (
    check_folder as check_folder,
    default_encoder as default_encoder,
    encoder_name as encoder_name,
    first_line as first_line,
    model_folder as model_folder,
    weight_files as weight_files,
)
from .peft_adapters import (
    find_adapter as find_adapter,
)
from .torch_backend import (
    TorchClassifier as TorchClassifier,
    load_torch as load_torch,
    one_line as one_line,
    save_tokenizer as save_tokenizer,
)
from .foreign_graphs import (
    MODEL_FILE as MODEL_FILE,
    find_graph as find_graph,
    graph_files as graph_files,
    read_graph as read_graph,
)
from .onnx_backend import (
    RUNTIMES as RUNTIMES,
    OnnxClassifier as OnnxClassifier,
    attention_bytes as attention_bytes,
    has_openvino as has_openvino,
    load_onnx as load_onnx,
    make_session as make_session,
)
from .onnx_export import (
    PARITY_BYTES as PARITY_BYTES,
    check_parity as check_parity,
    export_graph as export_graph,
    export_onnx as export_onnx,
    fitting_tokens as fitting_tokens,
    fuse_graph as fuse_graph,
    read_export as read_export,
)
from .baseline import (
    BaselineClassifier as BaselineClassifier,
    fit_baseline as fit_baseline,
    load_baseline as load_baseline,
    read_skops as read_skops,
    save_baseline as save_baseline,
    write_skops as write_skops,
)
from .classifier import (
    find_folder as find_folder,
    loaded_files as loaded_files,
    kind_of_folder as kind_of_folder,
    load_classifier as load_classifier,
)
from .training_config import (
    RANGES as RANGES,
    SHORT as SHORT,
    TINY as TINY,
    TrainingConfig as TrainingConfig,
    TrainingJob as TrainingJob,
)
from .trainer import (
    TrainingHooks as TrainingHooks,
    training_items as training_items,
)
from .fine_tuning import (
    last_checkpoint as last_checkpoint,
    train as train,
)
from .operating_point import (
    OperatingPoint as OperatingPoint,
    fit_operating_point as fit_operating_point,
)
from .detector_card import (
    model_card as model_card,
)
from .detector_training import (
    read_training as read_training,
    tiny_detector as tiny_detector,
    train_detector as train_detector,
)
from .unseen_sources import (
    leave_source_out as leave_source_out,
)
