from .subject import (
    at_most as at_most,
    open_classifier as open_classifier,
    open_corpus as open_corpus,
    open_subject as open_subject,
)
from .pages import (
    frame as frame,
    framed as framed,
    record_of as record_of,
    render_html as render_html,
)
from .running import (
    KINDS as KINDS,
    Parameter as Parameter,
    ReportResult as ReportResult,
    build_index as build_index,
    check_parameters as check_parameters,
    run_report as run_report,
    run_reports as run_reports,
    template_parameters as template_parameters,
    template_path as template_path,
)
