"""Sessions of ONNX Runtime, of graphs that may come from strangers."""

import os
from importlib.util import find_spec
from typing import Any

from fusionser.errors import ModelFileError, SettingsError
from fusionser.folders import brief_folder

__all__ = ["need_runtime", "open_session"]

WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
"""Option of ONNX Runtime: where it looks for weights in other files."""


def need_runtime() -> Any:
    """Import ONNX Runtime; raise `SettingsError` with the remedy if it is not installed."""
    if find_spec("onnxruntime") is None:
        raise SettingsError(
            'ONNX files need ONNX Runtime, which is not installed; install it with: pip install "fusionser[onnx]"'
        )
    import onnxruntime

    # Its warnings about graphs are for those who write them.
    onnxruntime.set_default_logger_severity(3)
    return onnxruntime


def open_session(content: bytes) -> Any:
    """Return a session on the CPU for the content of an ONNX file.

    Operators that ONNX Runtime does not have, and weights in other files, are refused, so no code of the file runs.

    Parameters
    ----------
    content : bytes

    Raises
    ------
    ModelFileError
        If the content cannot be used.
    SettingsError
        If ONNX Runtime is not installed.
    """
    runtime = need_runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    # ONNX Runtime does not read the variable that all other libraries here read.
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0
    try:
        with brief_folder() as empty:
            # A graph may name other files that hold its weights, and here it finds none.
            options.add_session_config_entry(WEIGHTS_FOLDER, str(empty))
            return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelFileError(f"not an ONNX file that can be used ({' '.join(str(error).split())[:200]})") from error
