"""A saved model as one module of tensors, from the waveform to probabilities, which other runtimes can run."""

from fusionser.export.graph import ModelGraph, whole_obstacle

__all__ = ["ModelGraph", "whole_obstacle"]
