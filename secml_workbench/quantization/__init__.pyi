from .machine_class import (
    cpu_class as cpu_class,
    machine_of as machine_of,
    overflows as overflows,
)
from .config import (
    CALIBRATIONS as CALIBRATIONS,
    QuantizationConfig as QuantizationConfig,
)
from .conversion import (
    calibration_batches as calibration_batches,
    int8_dynamic as int8_dynamic,
)
from .torch_variants import (
    CUDA_VARIANTS as CUDA_VARIANTS,
    check_cuda as check_cuda,
    half as half,
    torchao_variant as torchao_variant,
)
from .artifact import (
    Artifact as Artifact,
    check_target as check_target,
    read_artifact as read_artifact,
    record_judgement as record_judgement,
    settle as settle,
    weights_size as weights_size,
)
from .quantizing import (
    Exports as Exports,
    quantize as quantize,
)
from .metric_change import (
    metric_delta as metric_delta,
)
from .accuracy_gate import (
    Gate as Gate,
    gate as gate,
)
from .latency import (
    Latency as Latency,
    Timing as Timing,
    measure_latency as measure_latency,
)
from .layer_sensitivity import (
    layer_title as layer_title,
    sensitivity as sensitivity,
)
from .retries import (
    Outcome as Outcome,
    Validation as Validation,
    quantize_within as quantize_within,
)
from .candidates import (
    Candidate as Candidate,
    candidates_of as candidates_of,
    make_variants as make_variants,
    runtimes_here as runtimes_here,
    why_no_openvino as why_no_openvino,
)
from .comparison import (
    Flip as Flip,
    JudgedVariant as JudgedVariant,
    JudgedVariants as JudgedVariants,
    Measured as Measured,
    Recommendation as Recommendation,
    flips as flips,
    judge_variants as judge_variants,
    loss_of as loss_of,
    recommend as recommend,
)
from .shipping import (
    ship as ship,
    use_code as use_code,
    variant_folder as variant_folder,
    variants_beside as variants_beside,
)
