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
from tests.shipments.easypost_requests import WANTED, bought, easypost, peer_of, quoted, wanted


@pytest.fixture(autouse=True)
def peer(settings: Any) -> Iterator[EasyPostPeer]:
    with peer_of(settings) as peer:
        yield peer


def test_a_label_is_quoted_then_bought(peer: EasyPostPeer) -> None:
    quote = easypost.buy_label(wanted())
    assert quote == Quote(reference="shp_1")
    assert peer.purchases == 0
    assert easypost.buy_label(wanted(reference="shp_1")) == PurchasedLabel(
        tracking_number="9400000000000000000001",
        carrier_cost=Decimal("12.40"),
        currency="USD",
        reference="shp_1",
        url="https://files.example.com/shp_1.pdf",
        estimated_delivery=date(2026, 11, 27),
    )


def test_a_shipment_is_described_in_american_units(peer: EasyPostPeer) -> None:
    quoted(signature_required=True, account="ca_1")
    told = peer.requests[0][1]["shipment"]
    assert told["reference"] == "label_1"
    assert told["to_address"] == {
        "name": "Ana Torres",
        "street1": "179 N Harbor Dr",
        "city": "Redondo Beach",
        "state": "CA",
        "zip": "90277",
        "country": "US",
    }
    assert told["parcel"] == {"weight": 88.2, "length": 11.9, "width": 7.9, "height": 4.0}
    assert told["carrier_accounts"] == ["ca_1"]
    assert told["options"] == {
        "label_format": "PDF",
        "print_custom_1": "ORD-2026-000001",
        "delivery_confirmation": "SIGNATURE",
    }
    quoted()
    told = peer.requests[1][1]["shipment"]
    assert "carrier_accounts" not in told
    assert "delivery_confirmation" not in told["options"]


def test_a_package_of_unknown_size_is_its_weight(peer: EasyPostPeer) -> None:
    quoted(packages=(Package(weight=Decimal("0.001"), length=Decimal(30)),))
    assert peer.requests[0][1]["shipment"]["parcel"] == {"weight": 0.1}


def test_packages_are_labelled_one_at_a_time(peer: EasyPostPeer) -> None:
    with pytest.raises(CarrierRefused, match=r"the shipment has 2: .* make a shipment of each"):
        easypost.buy_label(wanted(packages=WANTED.packages * 2))
    assert not peer.requests


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
def test_carriers_and_services_are_found_as_people_write_them(
    carrier_name: str, service: str, cost: str
) -> None:
    assert bought(carrier=carrier_name, service=service).carrier_cost == Decimal(cost)


def test_the_cheapest_of_several_rates_is_bought(peer: EasyPostPeer) -> None:
    peer.rates += [
        ("FedEx", "FEDEX_GROUND", "9.80", "USD"),
        ("FedEx", "FEDEX_GROUND", "8.10", "CAD"),
        ("FedEx", "FEDEX_GROUND", "10.00", "USD"),
    ]
    assert bought().carrier_cost == Decimal("9.80")
    foreign = bought(currency="CAD")
    assert (foreign.carrier_cost, foreign.currency) == (Decimal("8.10"), "CAD")


def test_what_no_carrier_offers_is_refused_with_what_they_do(peer: EasyPostPeer) -> None:
    peer.messages = [{"carrier": "DHL", "type": "rate_error", "message": "Too light"}]
    asked = quoted(carrier="DHL", service="Express")
    with pytest.raises(CarrierRefused, match=r"FedExDefault FEDEX_2_DAY, .*; DHL: Too light"):
        easypost.buy_label(asked)
    peer.rates, peer.messages = [], []
    with pytest.raises(CarrierRefused, match=r"FedEx Ground for this shipment. It offers nothing"):
        easypost.buy_label(quoted())
    assert peer.purchases == 0


def test_a_label_is_bought_once_however_often_it_is_asked_for(peer: EasyPostPeer) -> None:
    asked = quoted()
    assert easypost.buy_label(asked) == easypost.buy_label(asked)
    assert peer.purchases == 1


@pytest.mark.parametrize("fault", ["lost", "late"])
def test_a_purchase_whose_answer_was_lost_is_found_again(
    fault: str, peer: EasyPostPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = quoted()
    with monkeypatch.context() as patch:
        patch.setattr(carrier, "TIMEOUT", (5, 0.2))
        peer.meanwhile = lambda: peer.faults.append(fault)
        with pytest.raises(CarrierTimeout):
            easypost.buy_label(asked)
    label = easypost.buy_label(asked)
    assert isinstance(label, PurchasedLabel)
    assert label.tracking_number == "9400000000000000000001"
    assert peer.purchases == 1
    assert peer.asked() == ["shipments", "shp", "buy", "shp"]


def test_a_quote_whose_answer_was_lost_costs_nothing(peer: EasyPostPeer) -> None:
    peer.faults.append("lost")
    with pytest.raises(CarrierTimeout):
        easypost.buy_label(wanted())
    bought()
    assert (len(peer.shipments), peer.purchases) == (2, 1)


def test_two_who_buy_at_once_buy_one_label(peer: EasyPostPeer) -> None:
    asked, together = quoted(), threading.Barrier(4)

    def buy(_: int) -> str | None:
        together.wait()
        try:
            label = easypost.buy_label(asked)
        except CarrierTimeout:
            return None
        assert isinstance(label, PurchasedLabel)
        return label.tracking_number

    with ThreadPoolExecutor(4) as pool:
        numbers = set(pool.map(buy, range(4))) - {None}
    assert numbers == {"9400000000000000000001"}
    assert peer.purchases == 1


def test_one_that_was_bought_meanwhile_is_no_refusal(peer: EasyPostPeer) -> None:
    asked = quoted()
    peer.meanwhile = lambda: (peer.buy("shp_1"), peer.faults.append(422))
    label = easypost.buy_label(asked)
    assert isinstance(label, PurchasedLabel)
    assert peer.purchases == 1


def test_a_label_without_a_number_is_waited_for(peer: EasyPostPeer) -> None:
    asked = quoted()
    peer.buy("shp_1")["tracking_code"] = None
    with pytest.raises(CarrierTimeout, match="has no tracking number for it yet"):
        easypost.buy_label(asked)


def test_a_refusal_is_in_the_carriers_words(peer: EasyPostPeer) -> None:
    with pytest.raises(CarrierRefused) as refusal:
        easypost.buy_label(wanted(recipient={"name": "Ana", "country": "US"}))
    assert str(refusal.value) == "EasyPost: Unable to verify address.; Missing postal code"
    asked = quoted()
    peer.funds = False
    with pytest.raises(CarrierRefused, match=r"^EasyPost: Insufficient funds, please add money\.$"):
        easypost.buy_label(asked)


@pytest.mark.parametrize("fault", [403, 404])
def test_who_is_not_let_look_does_not_know_what_was_sold(fault: int, peer: EasyPostPeer) -> None:
    asked = wanted(reference=bought().reference)
    for question in (easypost.buy_label, lambda wanted: easypost.void_label(wanted, None)):
        peer.faults.append(fault)
        with pytest.raises(CarrierTimeout, match="Not with None"):
            question(asked)
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
def test_what_is_no_answer_is_asked_again(
    fault: int | str | tuple[int, str], peer: EasyPostPeer
) -> None:
    asked = quoted()
    peer.meanwhile = lambda: peer.faults.append(fault)
    with pytest.raises(CarrierTimeout) as failure:
        easypost.buy_label(asked)
    assert "Ana" not in str(failure.value)
    assert peer.asked() == ["shipments", "shp", "buy"]  # not again by itself
    assert isinstance(easypost.buy_label(asked), PurchasedLabel)


def test_an_easypost_that_is_not_there_does_not_answer(peer: EasyPostPeer) -> None:
    peer.stop()
    with pytest.raises(CarrierTimeout, match=r"^EasyPost: HttpError, no response$"):
        easypost.buy_label(wanted())


def test_one_that_is_not_there_is_not_tried_again_at_once(
    peer: EasyPostPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    connect = connection.create_connection
    monkeypatch.setattr(
        connection, "create_connection", lambda *to, **how: (tried.append(to), connect(*to, **how))
    )
    peer.stop()
    with pytest.raises(CarrierTimeout):
        easypost.buy_label(wanted())
    assert len(tried) == 1


def test_a_key_that_is_not_known_is_to_be_mended(settings: Any) -> None:
    settings.EASYPOST_API_KEY = "EZTK_of_yesterday"
    with pytest.raises(CarrierTimeout, match="check EASYPOST_API_KEY"):
        easypost.buy_label(wanted())


def test_without_the_sdk_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "easypost.easypost_client", None)
    with pytest.raises(CarrierTimeout, match=r"requirements\.txt says how to install"):
        easypost.buy_label(wanted())


def test_the_service_runs_without_the_sdk() -> None:
    code = "import sys; sys.modules['easypost'] = None; import shipments.carriers.easypost"
    subprocess.run([sys.executable, "-c", code], check=True)
