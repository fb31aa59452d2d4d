"""A saved model as one module of tensors, and as an ONNX file."""

from fusionser.export.graph import ModelGraph, whole_obstacle
from fusionser.export.onnx_file import export_onnx
from fusionser.export.web import export_web

__all__ = ["ModelGraph", "export_onnx", "export_web", "whole_obstacle"]
