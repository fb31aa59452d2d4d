"""Build estimators from a specification, and tables of rows with features from inputs.

>>> from fusionser.pipeline import PipelineSpec, build_pipeline
>>> [name for name, _ in build_pipeline(PipelineSpec(rows={"augment": ["noise"]})).steps]
['augment', 'features', 'scale', 'classifier']
"""

from fusionser.pipeline.build import build_pipeline, classifier_settings, configured_features
from fusionser.pipeline.dataset_writer import extract_dataset
from fusionser.pipeline.estimator import build_estimator
from fusionser.pipeline.extract import Extracted, Wishes, extract_file, is_features_file
from fusionser.pipeline.features import build_features, resolve
from fusionser.pipeline.listing import list_places
from fusionser.pipeline.prepare import Place, Prepared, analyse_augmented, prepare
from fusionser.pipeline.protocol import choose_protocol, protocol_without_speakers, searched_stamps
from fusionser.pipeline.resources import Resources
from fusionser.spec import Config, PipelineSpec, ProtocolSpec

__all__ = [
    "Config",
    "Extracted",
    "PipelineSpec",
    "Place",
    "Prepared",
    "ProtocolSpec",
    "Resources",
    "Wishes",
    "analyse_augmented",
    "build_estimator",
    "build_features",
    "build_pipeline",
    "choose_protocol",
    "classifier_settings",
    "configured_features",
    "extract_dataset",
    "extract_file",
    "is_features_file",
    "list_places",
    "prepare",
    "protocol_without_speakers",
    "resolve",
    "searched_stamps",
]
