from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

PAGES = Path(settings.BASE_DIR, "docs", "states")


@pytest.fixture
def orders(tmp_path):
    """The generated page about orders."""
    call_command("state_diagrams", to=tmp_path)
    return (tmp_path / "orders.md").read_text()


def test_the_pages_in_the_repository_are_up_to_date():
    call_command("state_diagrams", "--check")


@pytest.mark.parametrize(
    "arrow",
    [
        "[*] --> pending: order.created",
        "pending --> placed: place<br/>order.placed",
        "placed --> cancelled: cancel, reservation<br/>order.cancelled",
        "processing --> shipped: ship_rest<br/>order.shipped<br/>"
        "recover_rest<br/>(order.units_recovered)<br/>write-off<br/>(order.units_written_off)",
        "cancelled --> [*]",
        "delivered --> [*]",
    ],
)
def test_the_diagram_has_an_arrow_for_every_change_of_status(orders, arrow):
    assert f"    {arrow}\n" in orders


def test_transitions_without_a_target_are_only_in_the_table(orders):
    assert "processing --> processing" not in orders
    row = "| ship_part | Record a shipment that leaves while other units are still to be shipped. "
    assert f"{row}| processing | the same |" in orders


def test_the_table_shows_verbs_and_guards(orders):
    assert "| **hold** |" in orders
    assert "| **write-off** | Write off units that will never ship" in orders
    assert "| (order.held) | the order is not on hold; some units have not been shipped |" in orders
    assert "| confirm |" in orders


def test_outdated_missing_and_superfluous_pages_are_found_and_fixed(tmp_path):
    call_command("state_diagrams", to=tmp_path)
    (tmp_path / "orders.md").write_text("It was different once.")
    (tmp_path / "carts.md").unlink()
    (tmp_path / "parcels.md").write_text("There are none.")
    with pytest.raises(CommandError, match=r"carts\.md, orders\.md, parcels\.md"):
        call_command("state_diagrams", "--check", to=tmp_path)
    call_command("state_diagrams", to=tmp_path)
    call_command("state_diagrams", "--check", to=tmp_path)
    assert {path.name for path in PAGES.iterdir()} == {path.name for path in tmp_path.iterdir()}
