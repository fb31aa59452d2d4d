"""From a plan to a result: prepare rows and features, evaluate, fit, and whole studies of many evaluations."""

from fusionser.experiments.choices import DEEP_PRESETS, Features, Place, choose_features, choose_protocol
from fusionser.experiments.pipeline import FUSIONS, IMBALANCE, Networks, build_pipeline, search_parameters
from fusionser.experiments.prepare import Extracted, Prepared, extract_file, list_places, prepare
from fusionser.experiments.run import Plan, analyse_copies, evaluate_plan, fit_plan

__all__ = [
    "DEEP_PRESETS",
    "FUSIONS",
    "IMBALANCE",
    "Extracted",
    "Features",
    "Networks",
    "Place",
    "Plan",
    "Prepared",
    "analyse_copies",
    "build_pipeline",
    "choose_features",
    "choose_protocol",
    "evaluate_plan",
    "extract_file",
    "fit_plan",
    "list_places",
    "prepare",
    "search_parameters",
]
