"""Chromium, for tests of pages; they are skipped where it is not installed."""

import shutil
from contextlib import contextmanager

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def browsers(*several):
    """Start a browser for each list of arguments."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium on this machine; the pages are not tried in a browser")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        # Chromium's own sandbox is not there for the superuser, who runs tests in containers.
        started = [
            running.chromium.launch(executable_path=program, args=["--no-sandbox", *arguments]) for arguments in several
        ]
        yield started
        for browser in started:
            browser.close()
