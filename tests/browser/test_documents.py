"""The documentation of the API and of the events, in a real browser."""

from typing import Literal

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/api/docs/", "/api/v1/carts/{id}/checkout"),
        ("/api/v1/events/catalog/", "fulfillment.item_picked"),
    ],
)
def test_a_page_shows_its_content_and_loads_nothing_from_another_host(
    page: Page, url: str, shown: str, scheme: Literal["light", "dark"]
):
    """The fixture `page` collects errors and hosts."""
    page.emulate_media(color_scheme=scheme)
    response = page.goto(url)
    assert response
    assert response.status == 200
    expect(page.get_by_role("link", name=shown).first).to_be_visible()
    page.wait_for_load_state("networkidle")
