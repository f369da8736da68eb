from .text_explorer import (
    explore as explore,
)
from .study_monitor import (
    tune_live as tune_live,
)
from .variant_explorer import (
    quantize_explorer as quantize_explorer,
)
from .feature_explorer import (
    features_explorer as features_explorer,
)
from .report_runner import (
    report_form as report_form,
)
from .start_page import (
    start as start,
)
