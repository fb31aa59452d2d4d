"""Packages that only some features need, imported where they are used."""

from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

from fusionser.errors import SettingsError

__all__ = ["optional_package", "package_version"]


def optional_package(module: str, extra: str, user: str) -> Any:
    """Return a module of a package that is installed with an extra.

    Parameters
    ----------
    module : str
        Name to import.
    extra : str
        Extra of fusionser that installs it.
    user : str
        What needs it, for the error message.

    Raises
    ------
    SettingsError
        If it is not installed, or cannot be imported.

    Examples
    --------
    >>> optional_package("no_such_module", "opensmile", "the block 'opensmile'")
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: the block 'opensmile' needs the package no_such_module, which is not installed; ...
    """
    try:
        if find_spec(module.partition(".")[0]) is None:
            raise SettingsError(
                f"{user} needs the package {module}, which is not installed; install it with: pip install "
                f'"fusionser[{extra}]"'
            )
        return import_module(module)
    except SettingsError:
        raise
    except Exception as error:
        # A package that does not fit another one may fail in any way while it is imported.
        raise SettingsError(
            f"{user} needs the package {module}, which cannot be imported ({type(error).__name__}: {error}); install "
            f'it again with: pip install "fusionser[{extra}]"'
        ) from error


def package_version(package: str) -> str:
    """Return the version of an installed package; empty if it is not installed.

    Examples
    --------
    >>> package_version("no-such-package")
    ''
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
