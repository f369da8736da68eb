from .space import (
    Choices as Choices,
    HyperparameterSearchSpace as HyperparameterSearchSpace,
    Range as Range,
)
from .config import (
    OptimizationConfig as OptimizationConfig,
    measure_title as measure_title,
)
from .interrupted_trials import (
    MAX_RETRIES as MAX_RETRIES,
)
from .store import (
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
from .recipe import (
    default_params as default_params,
    full_space as full_space,
    small_space as small_space,
)
from .tuning import (
    tune as tune,
)
from .studies import (
    delete_study as delete_study,
    list_studies as list_studies,
    live_study as live_study,
    load_study as load_study,
    stop_study as stop_study,
)
from .figures import (
    curves_figure as curves_figure,
    history_figure as history_figure,
    parallel_figure as parallel_figure,
    slices_figure as slices_figure,
    varied as varied,
)
