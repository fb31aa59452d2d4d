"""Taking model files apart, for tests."""

import zipfile


def members(file):
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
