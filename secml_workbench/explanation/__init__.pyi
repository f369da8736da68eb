from .result import (
    Explanation as Explanation,
    TITLES as TITLES,
    WordScore as WordScore,
    quality as quality,
    score_text as score_text,
    side_by_side as side_by_side,
)
from .perturbation import (
    AdditiveClassifier as AdditiveClassifier,
    PerturbationEngine as PerturbationEngine,
    split_words as split_words,
)
from .attribution import (
    TOKEN_METHODS as TOKEN_METHODS,
    token_scores as token_scores,
)
from .lime_shap_occlusion import (
    ask as ask,
    lime_samples as lime_samples,
)
from .methods import (
    METHODS as METHODS,
    explain as explain,
    explain_many as explain_many,
    make_engine as make_engine,
    methods_for as methods_for,
    resolve_method as resolve_method,
    split_tokens as split_tokens,
)
from .faithfulness import (
    FaithfulnessStudy as FaithfulnessStudy,
    LEAST_RANGE as LEAST_RANGE,
    MEASURES as MEASURES,
    aopc_bounds as aopc_bounds,
    compare_methods as compare_methods,
    measure_faithfulness as measure_faithfulness,
    random_faithfulness as random_faithfulness,
    randomization_test as randomization_test,
)
from .importance import (
    ALL as ALL,
    GlobalImportance as GlobalImportance,
    ImportanceRow as ImportanceRow,
    OTHER as OTHER,
    global_importance as global_importance,
    sure_rows as sure_rows,
)
from .agreement import (
    CONTROL as CONTROL,
    LENGTHS as LENGTHS,
    VariantAgreement as VariantAgreement,
    agreement_table as agreement_table,
    explanation_agreement as explanation_agreement,
    flagged_texts as flagged_texts,
    nearest_texts as nearest_texts,
    word_range as word_range,
)
from .shortcuts import (
    FOUND_ABOVE as FOUND_ABOVE,
    Shortcut as Shortcut,
    find_shortcuts as find_shortcuts,
)
from .typical_texts import (
    LONG as LONG,
    READABLE as READABLE,
    choose_texts as choose_texts,
    explain_by_all as explain_by_all,
    samples_for as samples_for,
    within_words as within_words,
)
from .trust import (
    NOTICEABLE as NOTICEABLE,
    WEAK_FIT as WEAK_FIT,
    doubts as doubts,
    faithfulness_tables as faithfulness_tables,
    mean_agreements as mean_agreements,
    recommended_method as recommended_method,
    standing as standing,
    verdict_on as verdict_on,
    with_controls as with_controls,
)
