"""The pages about the API and the events, as newcomers open them."""

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
def test_a_page_shows_what_it_is_about_and_loads_nothing_from_elsewhere(
    page: Page, url: str, shown: str, scheme: Literal["light", "dark"]
):
    """The fixture listens for complaints and other hosts."""
    page.emulate_media(color_scheme=scheme)
    answer = page.goto(url)
    assert answer
    assert answer.status == 200
    expect(page.get_by_role("link", name=shown).first).to_be_visible()
    page.wait_for_load_state("networkidle")
