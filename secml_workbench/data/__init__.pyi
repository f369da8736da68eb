from .labels import (
    PositiveLabel as PositiveLabel,
    asked_text as asked_text,
    attack_labels as attack_labels,
    bare_key as bare_key,
    label_key as label_key,
    CONVENTIONS as CONVENTIONS,
    label_kind as label_kind,
    map_labels as map_labels,
)
from .readers import (
    DESCRIPTIONS as DESCRIPTIONS,
    FORMATS as FORMATS,
    open_table as open_table,
)
from .tables import (
    find_column as find_column,
)
from .texts import (
    LENGTHS as LENGTHS,
    as_text as as_text,
    check_role as check_role,
    count_words as count_words,
    length_of as length_of,
)
from .duplicates import (
    near_duplicate_groups as near_duplicate_groups,
    text_key as text_key,
)
from .corpus import (
    ABOUT as ABOUT,
    Corpus as Corpus,
    CorpusCard as CorpusCard,
    Fold as Fold,
    Splits as Splits,
    has_trigger as has_trigger,
    without_triggers as without_triggers,
)
from .estimates import (
    Estimate as Estimate,
    effective_size as effective_size,
    group_numbers as group_numbers,
    mean_estimate as mean_estimate,
    ratio_of_medians as ratio_of_medians,
    undefined as undefined,
)
from .shares import (
    difference_of as difference_of,
    share_of as share_of,
)
from .metrics import (
    METRICS as METRICS,
    evaluate as evaluate,
    get_metric as get_metric,
    length_slices as length_slices,
    metrics_table as metrics_table,
    threshold_at_fpr as threshold_at_fpr,
)
from .paired_comparison import (
    flip_rate as flip_rate,
    paired_change as paired_change,
    paired_difference as paired_difference,
)
from .patterns import (
    PatternFamily as PatternFamily,
    PatternMatch as PatternMatch,
    find_in_many as find_in_many,
    find_patterns as find_patterns,
    load_families as load_families,
    match_families as match_families,
    spans_in_many as spans_in_many,
    utf8 as utf8,
)
from .lookalikes import (
    Reading as Reading,
    UNDONE as UNDONE,
)
from .deobfuscation import (
    deobfuscate as deobfuscate,
    encoded_characters as encoded_characters,
    find_disguised as find_disguised,
    lexicon as lexicon,
)
from .characters import (
    invisible_count as invisible_count,
    look_alike_words as look_alike_words,
    mixed_script_words as mixed_script_words,
    odd_characters as odd_characters,
)
from .grammar import (
    FILTERS as FILTERS,
    Frame as Frame,
    Grammar as Grammar,
    load_grammar as load_grammar,
    part_of as part_of,
)
from .generators import (
    GeneratedText as GeneratedText,
    count_texts as count_texts,
    generate as generate,
)
from .packages import (
    Package as Package,
    package_texts as package_texts,
)
from .recipe import (
    PackagedText as PackagedText,
    build_texts as build_texts,
    load_recipe as load_recipe,
)
from .loading import (
    Columns as Columns,
    PACKAGED as PACKAGED,
    load_corpus as load_corpus,
)
