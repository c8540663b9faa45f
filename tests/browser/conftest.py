"""A real browser on a real server."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

# Playwright runs an event loop in this thread, where Django would refuse the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]

expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests of the browser in one process, which starts one browser."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def browser(live_server: object) -> Iterator[BrowserContext]:
    """The machine's Chromium, or the one that `playwright install chromium` installs.

    The tests share only its cache.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield chromium.new_context(base_url=str(live_server))
        chromium.close()


@pytest.fixture
def page(browser: BrowserContext, live_server: object) -> Iterator[Page]:
    """A window; the test fails if a page logs an error or sends a request to another host."""
    page, errors, hosts = browser.new_page(), [], set()
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda sent: hosts.add(urlsplit(sent.url).netloc))
    yield page
    for each in browser.pages:
        each.close()
    browser.clear_cookies()
    assert hosts == {urlsplit(str(live_server)).netloc}
    assert errors == []


@pytest.fixture
def operator(page: Page, transactional_db: None, live_server: object) -> Page:
    """A page with a logged-in operator."""
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": str(live_server)}])
    return page
