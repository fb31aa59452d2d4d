"""The base classes of scikit-learn for what is computed from clips.

A prediction from an ONNX file needs nothing else of scikit-learn. Where it is not installed, plain classes take their
place, so that such predictions work without it.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["BaseEstimator", "TransformerMixin"]

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator, TransformerMixin
else:
    try:
        from sklearn.base import BaseEstimator, TransformerMixin
    except ImportError:

        class TransformerMixin:
            """Stands for scikit-learn's class."""

        class BaseEstimator:
            """Stands for scikit-learn's class: parameters are the fields of a dataclass."""

            @classmethod
            def _get_param_names(cls) -> list[str]:
                return sorted(cls.__dataclass_fields__)

            def get_params(self, deep: bool = True) -> dict[str, Any]:
                """Return the parameters by name."""
                return {name: getattr(self, name) for name in self._get_param_names()}
