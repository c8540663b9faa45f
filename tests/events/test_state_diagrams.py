from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

PAGES = Path(settings.BASE_DIR, "docs", "states")


@pytest.fixture
def orders(tmp_path):
    """The page about orders, freshly written."""
    call_command("state_diagrams", to=tmp_path)
    return (tmp_path / "orders.md").read_text()


def test_the_pages_in_the_repository_are_as_the_transitions_are():
    call_command("state_diagrams", "--check")


@pytest.mark.parametrize(
    "arrow",
    [
        "[*] --> pending: order.created",
        "pending --> placed: place<br/>order.placed",
        "placed --> cancelled: cancel, reservation<br/>order.cancelled",
        "processing --> shipped: ship_rest<br/>order.shipped<br/>"
        "write-off<br/>(order.units_written_off)",
        "cancelled --> [*]",
        "delivered --> [*]",
    ],
)
def test_the_diagram_has_every_move_with_what_it_tells(orders, arrow):
    assert f"    {arrow}\n" in orders


def test_what_stays_is_in_the_table_only(orders):
    assert "processing --> processing" not in orders
    row = "| ship_part | A shipment leaves, and other units are still to be shipped. "
    assert f"{row}| processing | the same |" in orders


def test_the_table_names_what_clients_may_ask_for_and_what_it_needs(orders):
    assert "| **hold** |" in orders
    assert "| **write-off** | Write off units that will never ship" in orders
    assert "| (order.held) | the order is not on hold; some units have not been shipped |" in orders
    assert "| confirm |" in orders


def test_a_stale_a_missing_and_a_superfluous_page_are_found_and_put_right(tmp_path):
    call_command("state_diagrams", to=tmp_path)
    (tmp_path / "orders.md").write_text("It was different once.")
    (tmp_path / "carts.md").unlink()
    (tmp_path / "parcels.md").write_text("There are none.")
    with pytest.raises(CommandError, match=r"carts\.md, orders\.md, parcels\.md"):
        call_command("state_diagrams", "--check", to=tmp_path)
    call_command("state_diagrams", to=tmp_path)
    call_command("state_diagrams", "--check", to=tmp_path)
    assert {path.name for path in PAGES.iterdir()} == {path.name for path in tmp_path.iterdir()}
