from .space import (
    EXTRA as EXTRA,
    HyperparameterSearchSpace as HyperparameterSearchSpace,
    PARAMETERS as PARAMETERS,
    default_params as default_params,
)
from .config import (
    OptimizationConfig as OptimizationConfig,
    measure_title as measure_title,
)
from .store import (
    MAX_RETRIES as MAX_RETRIES,
    open_storage as open_storage,
)
from .result import (
    TrialRecord as TrialRecord,
    TuningResult as TuningResult,
    edges as edges,
    recipe_words as recipe_words,
    show_params as show_params,
    trial_table as trial_table,
)
from .search_loop import (
    Attempt as Attempt,
    search as search,
)
from .tuning import (
    delete_study as delete_study,
    live_study as live_study,
    load_study as load_study,
    stop_study as stop_study,
    tune as tune,
)
