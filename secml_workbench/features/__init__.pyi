from .text_features import (
    BasicFeatures as BasicFeatures,
    SecurityFeatures as SecurityFeatures,
    keep_rows as keep_rows,
)
from .linguistic import (
    LinguisticFeatures as LinguisticFeatures,
    MAX_CHARACTERS as MAX_CHARACTERS,
    UPOS as UPOS,
    load_pipeline as load_pipeline,
    readability as readability,
    syllables as syllables,
)
from .semantic import (
    SemanticFeatures as SemanticFeatures,
    load_encoder as load_encoder,
    load_sentence_model as load_sentence_model,
    unit as unit,
)
from .matrix import (
    FAMILIES as FAMILIES,
    FeatureConfig as FeatureConfig,
    Reduction as Reduction,
    Scaler as Scaler,
    StatisticalFeatures as StatisticalFeatures,
    check_folder_free as check_folder_free,
    family_costs as family_costs,
    is_coordinate as is_coordinate,
    load_features as load_features,
    make_features as make_features,
    save_features as save_features,
)
from .detector import (
    HEADS as HEADS,
    contributions as contributions,
    fit_detector as fit_detector,
    make_head as make_head,
)
from .separation import (
    FamilyScore as FamilyScore,
    FeatureScore as FeatureScore,
    PatternRow as PatternRow,
    TransferRow as TransferRow,
    added as added,
    delong as delong,
    family_columns as family_columns,
    family_scores as family_scores,
    feature_scores as feature_scores,
    fit_head as fit_head,
    pattern_rows as pattern_rows,
    second_opinions as second_opinions,
    transfer as transfer,
)
from .streaming import (
    check_target as check_target,
    write_features as write_features,
)
from .figures import (
    corpus_map as corpus_map,
    correlations as correlations,
    distributions as distributions,
    draw_classes as draw_classes,
    map_figure as map_figure,
)
