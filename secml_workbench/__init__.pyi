__version__: str

from .data import load_corpus as load_corpus
from .explanation import explain as explain
from .features import make_features as make_features
from .models import load_classifier as load_classifier
from .quantization import gate as gate, quantize as quantize
from .reports import run_report as run_report
from .tuning import tune as tune
