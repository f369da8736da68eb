from .words import (
    Interval as Interval,
    agree as agree,
    bounds_text as bounds_text,
    capitalised as capitalised,
    clauses as clauses,
    duration as duration,
    estimate_text as estimate_text,
    interval_text as interval_text,
    listed as listed,
    megabytes as megabytes,
    minus as minus,
    number_text as number_text,
    percent as percent,
    plural as plural,
    points as points,
    spaced as spaced,
    spelled as spelled,
    times as times,
)
from .markup import (
    Markup as Markup,
    asset as asset,
    escape as escape,
    plain_label as plain_label,
    sanitize as sanitize,
    texts_as_data as texts_as_data,
    visible as visible,
)
from .highlighting import (
    highlight as highlight,
    legend as legend,
)
from .components import (
    facts as facts,
    figure as figure,
    heading as heading,
    note as note,
    paragraph as paragraph,
    scrolling as scrolling,
    section as section,
    table as table,
)
from .first_screen import (
    Card as Card,
    FirstScreen as FirstScreen,
    badge as badge,
)
from .plots import (
    bars as bars,
    colour as colour,
    distribution as distribution,
    figure_style as figure_style,
    forest as forest,
    new_figure as new_figure,
    signed_bars as signed_bars,
)
from .tradeoffs import (
    TradeoffPoint as TradeoffPoint,
    tradeoff as tradeoff,
)
from .terminal import (
    printable as printable,
    printable_json as printable_json,
    stdout_encoding as stdout_encoding,
    terminal_gate as terminal_gate,
)
