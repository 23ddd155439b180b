"""What every test shares: one thread each, repeatable noise, checked signatures, and a count of what was left out."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch starts its threads; also for the processes that tests start

import pytest
import torch
from hypothesis import settings
from playwright.sync_api import Browser

import checking
from templates import compile_templates_once

CI = os.environ.get("CI", "").lower() in ("1", "true")

checking.install()

settings.register_profile("unveil", deadline=None, derandomize=CI, database=None if CI else settings.default.database)
settings.load_profile("unveil")


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)
    compile_templates_once()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_data"):
        _data_home()


@pytest.fixture(autouse=True, scope="module")
def _short_probes(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a plan measures is the subject of the tests of planning alone."""
    from quick import short_probes

    with nullcontext() if request.path.parent.name == "planning" else short_probes():
        yield


@pytest.fixture(autouse=True, scope="module")
def _rough_start(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where networks start from is no subject of what is done with fitted ones."""
    from quick import rough_start

    used = ("data", "evaluation", "fitting", "use")
    with rough_start() if request.path.parent.name in used else nullcontext():
        yield


@pytest.fixture(autouse=True)
def _same_noise_in_any_order() -> None:
    seed = torch.manual_seed if torch.accelerator.is_available() else torch.default_generator.manual_seed
    seed(0)


@pytest.fixture(autouse=True)
def _signatures_checked_anew(request: pytest.FixtureRequest) -> None:
    parameters = getattr(request.node, "callspec", None)
    checking.begin(request.node.path, parameters.id if parameters else request.node.name)


@pytest.fixture
def data_home() -> Path:
    """The directory of real data, $UNVEIL_DATA."""
    return _data_home()


def _data_home() -> Path:
    home = os.environ.get("UNVEIL_DATA")
    if not home:
        pytest.skip("UNVEIL_DATA does not name a directory of real data")
    if not Path(home).is_dir():
        pytest.fail(f"UNVEIL_DATA is {home!r}, which is not a directory")
    return Path(home)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """A Chromium or Chrome of the system; where CI is set, its absence is a failure."""
    names = ("chromium", "google-chrome", "chromium-browser", "chrome")
    found = next(filter(None, map(shutil.which, [*names, *_usual_places()])), None)
    if found is None:
        (pytest.fail if CI else pytest.skip)("no Chromium or Chrome in this system")
    return found


@pytest.fixture(scope="session")
def browser(browser_path: str) -> Iterator[Browser]:
    """A headless browser, started once."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


def _usual_places() -> list[str]:
    """Where macOS and Windows keep a browser that is not on the PATH."""
    if sys.platform == "darwin":
        return ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
    roots = (os.environ.get(name) for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"))
    return [str(Path(root, "Google/Chrome/Application/chrome.exe")) for root in roots if root]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A test never skips in silence: how many were left out, and why."""
    left_out = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", []))
    terminalreporter.section("left out")
    for reason, count in left_out.most_common():
        terminalreporter.write_line(f"{count} left out: {reason.removeprefix('Skipped: ')}")
    if os.environ.get("UNVEIL_TEST_ALL") != "1":
        terminalreporter.write_line("the contracts of each pair of a model's choices: make test-all")
    if not left_out:
        terminalreporter.write_line("no test was left out")
