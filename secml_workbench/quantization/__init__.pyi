from .graphs import (
    cpu_class as cpu_class,
    has_bf16 as has_bf16,
    overflows as overflows,
)
from .conversion import (
    CALIBRATIONS as CALIBRATIONS,
    QuantizationConfig as QuantizationConfig,
    calibration_batches as calibration_batches,
    int8_dynamic as int8_dynamic,
)
from .torch_variants import (
    CUDA_VARIANTS as CUDA_VARIANTS,
    check_cuda as check_cuda,
    half as half,
    machine_of as machine_of,
    torchao_variant as torchao_variant,
)
from .artifact import (
    Artifact as Artifact,
    Exports as Exports,
    check_target as check_target,
    quantize as quantize,
    read_artifact as read_artifact,
    record_judgement as record_judgement,
    settle as settle,
    weights_size as weights_size,
)
from .accuracy_gate import (
    Gate as Gate,
    gate as gate,
    metric_delta as metric_delta,
)
from .comparison import (
    Flip as Flip,
    Recommendation as Recommendation,
    Timing as Timing,
    choose as choose,
    flips as flips,
    loss_of as loss_of,
    measure_latency as measure_latency,
    pareto as pareto,
    recommend as recommend,
)
from .retry import (
    Candidate as Candidate,
    Outcome as Outcome,
    judge_artifact as judge_artifact,
    quantize_within as quantize_within,
    sensitivity as sensitivity,
)
