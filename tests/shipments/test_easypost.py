"""Buying labels from EasyPost."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from urllib3.util import connection

from shipments.carriers import CarrierTimeout, Package, PurchasedLabel, Quote
from shipments.carriers import easypost as carrier
from shipments.exceptions import CarrierRefused
from tests.shipments.easypost_peer import EasyPostPeer
from tests.shipments.easypost_requests import (
    REQUEST,
    easypost,
    label_request,
    peer_of,
    purchased,
    quoted_request,
)


@pytest.fixture(autouse=True)
def peer(settings: Any) -> Iterator[EasyPostPeer]:
    with peer_of(settings) as peer:
        yield peer


def test_a_label_is_quoted_then_bought(peer: EasyPostPeer) -> None:
    quote = easypost.buy_label(label_request())
    assert quote == Quote(reference="shp_1")
    assert peer.purchases == 0
    assert easypost.buy_label(label_request(reference="shp_1")) == PurchasedLabel(
        tracking_number="9400000000000000000001",
        carrier_cost=Decimal("12.40"),
        currency="USD",
        reference="shp_1",
        url="https://files.example.com/shp_1.pdf",
        estimated_delivery=date(2026, 11, 27),
    )


def test_the_package_is_described_in_ounces_and_inches(peer: EasyPostPeer) -> None:
    quoted_request(signature_required=True, account="ca_1")
    sent = peer.requests[0][1]["shipment"]
    assert sent["reference"] == "label_1"
    assert sent["to_address"] == {
        "name": "Ana Torres",
        "street1": "179 N Harbor Dr",
        "city": "Redondo Beach",
        "state": "CA",
        "zip": "90277",
        "country": "US",
    }
    assert sent["parcel"] == {"weight": 88.2, "length": 11.9, "width": 7.9, "height": 4.0}
    assert sent["carrier_accounts"] == ["ca_1"]
    assert sent["options"] == {
        "label_format": "PDF",
        "print_custom_1": "ORD-2026-000001",
        "delivery_confirmation": "SIGNATURE",
    }
    quoted_request()
    sent = peer.requests[1][1]["shipment"]
    assert "carrier_accounts" not in sent
    assert "delivery_confirmation" not in sent["options"]


def test_a_package_of_unknown_size_has_only_a_weight(peer: EasyPostPeer) -> None:
    quoted_request(packages=(Package(weight=Decimal("0.001"), length=Decimal(30)),))
    assert peer.requests[0][1]["shipment"]["parcel"] == {"weight": 0.1}


def test_each_of_several_packages_is_a_shipment_with_a_label() -> None:
    label = purchased(packages=REQUEST.packages * 3)
    first, *others = (f"940000000000000000000{n}" for n in (1, 2, 3))
    assert label == PurchasedLabel(
        tracking_number=first,
        carrier_cost=Decimal("37.20"),
        currency="USD",
        reference="shp_1 shp_2 shp_3",
        url="https://files.example.com/shp_1.pdf",
        estimated_delivery=date(2026, 11, 27),
        further={
            number: f"https://files.example.com/shp_{n}.pdf" for n, number in enumerate(others, 2)
        },
    )


@pytest.mark.parametrize("count", [0, 26])
def test_a_shipment_of_too_many_packages_is_refused(peer: EasyPostPeer, count: int) -> None:
    with pytest.raises(CarrierRefused, match=f"the shipment has {count}: make several shipments"):
        easypost.buy_label(label_request(packages=REQUEST.packages * count))
    assert not peer.requests


def test_25_real_ids_are_a_reference_that_can_be_stored() -> None:
    assert len(" ".join(["shp_" + "0" * 32] * carrier.MAX_PACKAGES)) <= 1000


def test_all_packages_have_a_rate_before_one_is_paid_for(peer: EasyPostPeer) -> None:
    request = quoted_request(packages=REQUEST.packages * 2)
    peer.shipments["shp_2"]["rates"] = []
    with pytest.raises(CarrierRefused, match="does not offer FedEx Ground"):
        easypost.buy_label(request)
    assert peer.purchases == 0


def test_packages_in_several_currencies_are_refused(peer: EasyPostPeer) -> None:
    request = quoted_request(packages=REQUEST.packages * 2)
    for rate in peer.shipments["shp_2"]["rates"]:
        rate["currency"] = "CAD"
    with pytest.raises(CarrierRefused, match=r"in several currencies .*: CAD, USD"):
        easypost.buy_label(request)
    assert peer.purchases == 0


@pytest.mark.parametrize(
    ("carrier_name", "service", "cost"),
    [
        ("FedEx", "Ground", "12.40"),
        ("fedex", "fedex ground", "12.40"),
        ("FedEx", "2-Day", "31.00"),
        ("UPS", "Ground", "11.90"),
        ("U.S.P.S.", "Ground Advantage", "6.07"),
    ],
)
def test_names_of_carriers_and_services_are_matched_loosely(
    carrier_name: str, service: str, cost: str
) -> None:
    assert purchased(carrier=carrier_name, service=service).carrier_cost == Decimal(cost)


def test_the_cheapest_rate_is_bought(peer: EasyPostPeer) -> None:
    peer.rates += [
        ("FedEx", "FEDEX_GROUND", "9.80", "USD"),
        ("FedEx", "FEDEX_GROUND", "8.10", "CAD"),
        ("FedEx", "FEDEX_GROUND", "10.00", "USD"),
    ]
    assert purchased().carrier_cost == Decimal("9.80")
    foreign = purchased(currency="CAD")
    assert (foreign.carrier_cost, foreign.currency) == (Decimal("8.10"), "CAD")


def test_the_refusal_of_an_unknown_service_lists_the_offers(peer: EasyPostPeer) -> None:
    peer.messages = [{"carrier": "DHL", "type": "rate_error", "message": "Too light"}]
    request = quoted_request(carrier="DHL", service="Express")
    with pytest.raises(CarrierRefused, match=r"FedExDefault FEDEX_2_DAY, .*; DHL: Too light"):
        easypost.buy_label(request)
    peer.rates, peer.messages = [], []
    with pytest.raises(CarrierRefused, match=r"FedEx Ground for this shipment. It offers nothing"):
        easypost.buy_label(quoted_request())
    assert peer.purchases == 0


def test_repeated_requests_buy_one_label(peer: EasyPostPeer) -> None:
    request = quoted_request()
    assert easypost.buy_label(request) == easypost.buy_label(request)
    assert peer.purchases == 1


@pytest.mark.parametrize("fault", ["lost", "late"])
def test_a_retry_finds_a_purchase_whose_response_was_lost(
    fault: str, peer: EasyPostPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = quoted_request()
    with monkeypatch.context() as patch:
        patch.setattr(carrier, "TIMEOUT", (5, 0.2))
        peer.before_post = lambda: peer.faults.append(fault)
        with pytest.raises(CarrierTimeout):
            easypost.buy_label(request)
    label = easypost.buy_label(request)
    assert isinstance(label, PurchasedLabel)
    assert label.tracking_number == "9400000000000000000001"
    assert peer.purchases == 1
    assert peer.operations() == ["shipments", "shp", "buy", "shp"]


def test_a_quote_whose_response_was_lost_costs_nothing(peer: EasyPostPeer) -> None:
    peer.faults.append("lost")
    with pytest.raises(CarrierTimeout):
        easypost.buy_label(label_request())
    purchased()
    assert (len(peer.shipments), peer.purchases) == (2, 1)


def test_concurrent_requests_buy_one_label(peer: EasyPostPeer) -> None:
    request, together = quoted_request(), threading.Barrier(4)

    def buy(_: int) -> str | None:
        together.wait()
        try:
            label = easypost.buy_label(request)
        except CarrierTimeout:
            return None
        assert isinstance(label, PurchasedLabel)
        return label.tracking_number

    with ThreadPoolExecutor(4) as pool:
        numbers = set(pool.map(buy, range(4))) - {None}
    assert numbers == {"9400000000000000000001"}
    assert peer.purchases == 1


def test_a_refusal_because_of_a_concurrent_purchase_is_ignored(peer: EasyPostPeer) -> None:
    request = quoted_request()
    peer.before_post = lambda: (peer.buy("shp_1"), peer.faults.append(422))
    label = easypost.buy_label(request)
    assert isinstance(label, PurchasedLabel)
    assert peer.purchases == 1


def test_a_label_without_a_tracking_number_is_a_timeout(peer: EasyPostPeer) -> None:
    request = quoted_request()
    peer.buy("shp_1")["tracking_code"] = None
    with pytest.raises(CarrierTimeout, match="has no tracking number for it yet"):
        easypost.buy_label(request)


def test_a_refusal_contains_the_carriers_message(peer: EasyPostPeer) -> None:
    with pytest.raises(CarrierRefused) as refusal:
        easypost.buy_label(label_request(recipient={"name": "Ana", "country": "US"}))
    assert str(refusal.value) == "EasyPost: Unable to verify address.; Missing postal code"
    request = quoted_request()
    peer.funds = False
    with pytest.raises(CarrierRefused, match=r"^EasyPost: Insufficient funds, please add money\.$"):
        easypost.buy_label(request)


@pytest.mark.parametrize("fault", [403, 404])
def test_a_refused_lookup_is_a_timeout(fault: int, peer: EasyPostPeer) -> None:
    request = label_request(reference=purchased().reference)
    for call in (easypost.buy_label, lambda request: easypost.void_label(request, None)):
        peer.faults.append(fault)
        with pytest.raises(CarrierTimeout, match="Not with None"):
            call(request)
    assert peer.purchases == 1


@pytest.mark.parametrize(
    "fault",
    [
        408,
        409,
        429,
        500,
        503,
        504,
        (502, "<html>Bad gateway</html>"),
        (404, '{"status": 404, "error": "Not Found"}'),
        (403, '{"message": "of some proxy"}'),
        (200, "<html>Welcome to the hotel</html>"),
        (200, '"?"'),
        (200, '{"id": "shp_1"}'),
        (422, '{"error": {"code": "SHIPMENT.POSTAGE.TIMED_OUT", "message": "Carrier timed out"}}'),
        "lost",
    ],
)
def test_an_unusable_response_is_a_timeout_and_can_be_retried(
    fault: int | str | tuple[int, str], peer: EasyPostPeer
) -> None:
    request = quoted_request()
    peer.before_post = lambda: peer.faults.append(fault)
    with pytest.raises(CarrierTimeout) as failure:
        easypost.buy_label(request)
    assert "Ana" not in str(failure.value)
    assert peer.operations() == ["shipments", "shp", "buy"]  # without a retry of its own
    assert isinstance(easypost.buy_label(request), PurchasedLabel)


def test_an_unreachable_server_is_a_timeout(peer: EasyPostPeer) -> None:
    peer.stop()
    with pytest.raises(CarrierTimeout, match=r"^EasyPost: HttpError, no response$"):
        easypost.buy_label(label_request())


def test_the_client_connects_only_once(peer: EasyPostPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    connect = connection.create_connection
    monkeypatch.setattr(
        connection, "create_connection", lambda *to, **how: (tried.append(to), connect(*to, **how))
    )
    peer.stop()
    with pytest.raises(CarrierTimeout):
        easypost.buy_label(label_request())
    assert len(tried) == 1


def test_an_invalid_key_is_reported(settings: Any) -> None:
    settings.EASYPOST_API_KEY = "EZTK_of_yesterday"
    with pytest.raises(CarrierTimeout, match="check EASYPOST_API_KEY"):
        easypost.buy_label(label_request())


def test_a_missing_sdk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "easypost.easypost_client", None)
    with pytest.raises(CarrierTimeout, match=r"requirements\.txt says how to install"):
        easypost.buy_label(label_request())


def test_the_service_runs_without_the_sdk() -> None:
    code = "import django, sys; sys.modules['easypost'] = None; django.setup()"
    subprocess.run([sys.executable, "-c", code], check=True)
