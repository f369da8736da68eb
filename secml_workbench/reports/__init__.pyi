from .inputs import (
    at_most as at_most,
    open_classifier as open_classifier,
    open_corpus as open_corpus,
    open_inputs as open_inputs,
)
from .pages import (
    frame as frame,
    framed as framed,
    record_of as record_of,
    render_html as render_html,
)
from .parameters import (
    KINDS as KINDS,
    Parameter as Parameter,
    check_parameters as check_parameters,
    template_parameters as template_parameters,
    template_path as template_path,
)
from .publish import (
    ReportResult as ReportResult,
)
from .index import (
    build_index as build_index,
)
from .running import (
    run_report as run_report,
    run_reports as run_reports,
)
