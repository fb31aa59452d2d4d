from . import plots as plots
from .corpora import list_rows as list_rows
from .errors import FusionserError as FusionserError
from .export import export_onnx as export_onnx
from .export import export_web as export_web
from .features import FeatureExtractor as FeatureExtractor
from .features import fusionnet as fusionnet
from .features import robust as robust
from .features import wide as wide
from .isolation import isolated_decoding as isolated_decoding
from .jobs import evaluate as evaluate
from .jobs import evaluate_streamed as evaluate_streamed
from .jobs import extract as extract
from .jobs import fit as fit
from .jobs import fit_streamed as fit_streamed
from .model import Model as Model
from .model import OnnxModel as OnnxModel
from .model import load_model as load_model
from .model import load_onnx as load_onnx
from .model import save_model as save_model
from .registry import REGISTRIES as REGISTRIES
from .spec import PipelineSpec as PipelineSpec
from .timeline import StreamPredictor as StreamPredictor
from .timeline import predict_timeline as predict_timeline
from .tuning import tune as tune

__version__: str
