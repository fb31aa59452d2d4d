"""Where networks are computed."""

from typing import TYPE_CHECKING

from fusionser.errors import SettingsError

if TYPE_CHECKING:
    import torch

__all__ = ["choose_device", "feature_device"]


def choose_device(name: str) -> "torch.device":
    """Return the device that a name asks for; ``auto`` is the GPU where there is one.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises
    ------
    SettingsError
        When the name means nothing, or this machine has no such device.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    import torch

    names = _present()
    if name == "auto":
        return torch.device(names[-1])
    try:
        wanted = torch.device(name)
    except (RuntimeError, TypeError, ValueError) as error:
        raise SettingsError(f"the device {name!r} is not one; here there are: auto, {', '.join(names)}") from error
    count = torch.cuda.device_count() if wanted.type == "cuda" else 1
    if wanted.type not in names or (wanted.index or 0) >= count:
        raise SettingsError(f"this machine has no device {name!r}; here there are: auto, {', '.join(names)}")
    return wanted


def feature_device(name: str) -> str:
    """Return where features are computed: on a GPU only where it is asked for by name.

    ``auto`` is the processor here, so that the same command gives the same numbers on every machine; so is ``mps``,
    which has no double precision.

    Parameters
    ----------
    name : str
        As `choose_device` takes it.

    Examples
    --------
    >>> feature_device("auto")
    'cpu'
    """
    wanted = choose_device(name)
    return str(wanted) if name != "auto" and wanted.type == "cuda" else "cpu"


def _present() -> list[str]:
    """Return the kinds of device on this machine, the one to prefer last."""
    import torch

    names = ["cpu"]
    if torch.backends.mps.is_available():
        names.append("mps")
    if torch.cuda.is_available():
        names.append("cuda")
    return names
