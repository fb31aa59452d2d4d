"""The first answer of a new process, by models that need torch and by models that do not."""

from pathlib import Path

from benchmarks.measuring import Figure, files, first_answer, fit_model, run_command

NETWORK = "log-mel-frames"
"""A network whose ONNX file begins with the waveform."""


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the seconds from the start of a process to its end, with one answer; none but the second loads torch."""
    clip = files(ravdess, 1)[0]
    network = fit_model(ravdess, scratch / "network.fusionser", "--blocks", NETWORK, "--epochs", "1")
    run_command("export", str(network), str(scratch / "network.onnx"))
    models = {
        "SVM on robust": fit_model(ravdess, scratch / "svm.fusionser", "--preset", "robust", "--classifier", "svm"),
        f"{NETWORK}, by torch": network,
        f"{NETWORK}, as an ONNX file": scratch / "network.onnx",
    }
    return [
        Figure(what=f"a first answer: {name}", value=first_answer(path, clip), unit="s")
        for name, path in models.items()
    ]
