"""What lies in the working folder, which may be a folder of a stranger's recordings, changes nothing."""

import subprocess
import sys

from conftest import ROOT


def test_settings_of_matplotlib_are_not_read(tmp_path):
    (tmp_path / "matplotlibrc").write_bytes(b"text.usetex: True\nfigure.facecolor: red\n\xff\n")
    code = (
        "import fusionser.reporting.figures, matplotlib, os; "
        "settings = matplotlib.rcParams; "
        "print(settings['text.usetex'], settings['figure.facecolor'], os.path.exists('matplotlibrc'))"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert done.stdout.split() == ["False", "white", "True"], done.stderr
