"""Choice of the device on which networks and features are computed."""

from typing import TYPE_CHECKING

from fusionser.errors import SettingsError

if TYPE_CHECKING:
    import torch

__all__ = ["choose_device", "computes_bfloat16", "feature_device"]


def choose_device(name: str) -> "torch.device":
    """Return the device of a name; ``auto`` is the GPU if there is one, else the CPU.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises
    ------
    SettingsError
        If the name is unknown, or this machine has no such device.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    import torch

    # The preferred one is last.
    names = ["cpu", *["mps"] * torch.backends.mps.is_available(), *["cuda"] * torch.cuda.is_available()]
    available = f"available here: auto, {', '.join(names)}"
    if name == "auto":
        return torch.device(names[-1])
    try:
        wanted = torch.device(name)
    except (RuntimeError, TypeError, ValueError) as error:
        raise SettingsError(f"unknown device {name!r}; {available}") from error
    count = torch.cuda.device_count() if wanted.type == "cuda" else 1
    if wanted.type not in names or (wanted.index or 0) >= count:
        raise SettingsError(f"this machine has no device {name!r}; {available}")
    return wanted


def feature_device(name: str) -> str:
    """Return the device on which features are computed: a CUDA GPU if requested by name, else the CPU.

    ``auto`` is the CPU, so that the same command gives the same numbers on every machine. ``mps`` is also the CPU,
    since it has no double precision.

    Parameters
    ----------
    name : str
        A name for `choose_device`.

    Raises
    ------
    SettingsError
        If the name is unknown, or this machine has no such device.

    Examples
    --------
    >>> feature_device("auto")
    'cpu'
    """
    wanted = choose_device(name)
    return str(wanted) if name != "auto" and wanted.type == "cuda" else "cpu"


def computes_bfloat16(device: str) -> bool:
    """Return whether a device supports bfloat16; on a processor that does not, training in it is slow.

    Processors are asked through torch. Of GPUs, and where torch does not know, it is assumed.

    Parameters
    ----------
    device : str
        A name for `choose_device`.

    Raises
    ------
    SettingsError
        If the name is unknown, or this machine has no such device.

    Examples
    --------
    >>> computes_bfloat16("cpu") in (True, False)
    True
    """
    import torch

    if choose_device(device).type != "cpu":
        return True
    # Builds without oneDNN, as those for macOS, have no such function.
    known = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return known is None or bool(known())
