"""The pick screen on a phone with a scanner, in a real browser."""

from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, Route, expect

from fulfillment import selectors
from fulfillment.models import Fulfillment, Pick
from tests.factories import LineFactory, OrderFactory
from tests.fulfillment.factories import fulfillments, reach

pytestmark = pytest.mark.django_db(transaction=True)

TARGETS = "a, button, input:not([type=hidden]), select, summary"
TOO_SMALL = """all => all.filter(e => e.offsetParent && (e.offsetHeight < 44 || e.offsetWidth < 44))
    .map(e => e.outerHTML)"""


@pytest.fixture
def mugs(operator: Page) -> Fulfillment:
    """Twenty mugs and two plates to pick, on the screen of a phone."""
    items = [
        LineFactory(variant_id="var_mug", title="Stoneware mug", quantity=20),
        LineFactory(variant_id="var_plate", title="A very long name of a plate " * 5, quantity=2),
    ]
    order = OrderFactory(status="confirmed", items=items)
    fulfillment = reach(fulfillments(order)[0], "started")
    operator.set_viewport_size({"width": 390, "height": 844})
    operator.goto(f"/admin/fulfillment/fulfillment/{fulfillment.id}/pick/")
    return fulfillment


@pytest.fixture
def scan(operator: Page) -> Callable[..., None]:
    """Return a function that types codes into the focused element, as a scanner does."""

    def type_all(*codes: str) -> None:
        for code in codes:
            operator.keyboard.type(code)
            operator.keyboard.press("Enter")

    return type_all


def line(page: Page, title: str):
    return page.locator("main li", has_text=title)


def result(page: Page):
    return page.locator("#results li").first


def picked(fulfillment: Fulfillment) -> list[int]:
    return [row.picked_quantity for row in selectors.with_lines().get(pk=fulfillment.pk).lines]


def test_consecutive_scans_are_all_counted(operator: Page, mugs: Fulfillment, scan):
    scan(*["var_mug"] * 20)
    expect(operator.locator("#code")).to_have_value("")
    expect(result(operator)).to_have_text("20 of 20: Stoneware mug")
    expect(line(operator, "Stoneware mug")).to_contain_text("20 of 20 picked")
    expect(line(operator, "Stoneware mug").get_by_role("button", name="Pick all")).to_be_hidden()
    assert picked(mugs) == [20, 0]
    assert Pick.objects.count() == 20
    operator.reload()
    expect(line(operator, "Stoneware mug")).to_contain_text("20 of 20 picked")
    expect(operator.locator("header")).to_contain_text("20 of 22")


def test_a_refused_scan_is_explained_and_the_next_one_counts(
    operator: Page, mugs: Fulfillment, scan
):
    scan("var_cup")
    expect(result(operator)).to_have_text("No line has the code var_cup.")
    expect(result(operator)).to_have_class("error")
    expect(operator.locator("#code")).to_be_focused()
    scan(*["var_plate"] * 3)
    expect(result(operator)).to_contain_text("1 requested, 0 still to be picked here")
    scan("var_mug")
    expect(result(operator)).to_have_text("1 of 20: Stoneware mug")
    assert picked(mugs) == [1, 2]


def test_a_scan_that_is_lost_on_the_network_is_retried_and_counts_once(
    operator: Page, mugs: Fulfillment
):
    page = operator.context.new_page()  # without the check for console errors
    sent: list[str] = []

    def lose_two(route: Route) -> None:
        """The first request is lost, then the response to the second."""
        if route.request.method == "POST":
            sent.append(parse_qs(route.request.post_data)["scan_id"][0])
            if len(sent) == 2:
                route.fetch()
        if 1 <= len(sent) <= 2:
            route.abort()
        else:
            route.continue_()

    page.route("**/pick/", lose_two)
    page.goto(operator.url)
    for code in ("var_mug", "var_plate"):
        page.keyboard.type(code)
        page.keyboard.press("Enter")
    expect(page.locator("#waiting")).to_contain_text("Waiting scans: 2.")
    expect(result(page)).to_contain_text("1 of 2: A very long name")
    expect(page.locator("#waiting")).to_be_hidden()
    assert sorted(Counter(sent).values()) == [1, 3]
    assert picked(mugs) == [1, 1]


def test_waiting_scans_are_sent_after_a_reload(operator: Page, mugs: Fulfillment, scan):
    def lose(route: Route) -> None:
        is_scan = route.request.method == "POST"
        route.fulfill(status=204) if is_scan else route.continue_()

    operator.route("**/pick/", lose)
    scan("var_mug", "var_mug")
    expect(operator.locator("#waiting")).to_contain_text("Waiting scans: 2.")
    operator.reload()
    expect(operator.locator("#waiting")).to_contain_text("Waiting scans: 2.")
    operator.unroute("**/pick/")
    expect(result(operator)).to_have_text("2 of 20: Stoneware mug")
    assert picked(mugs) == [2, 0]


def test_no_scan_is_lost_when_the_session_ends(operator: Page, mugs: Fulfillment, scan):
    cookies = operator.context.cookies()
    operator.context.clear_cookies(name="sessionid")
    scan("var_mug")
    expect(operator.locator("#waiting")).to_contain_text("You are logged out.")
    operator.context.add_cookies(cookies)
    operator.get_by_role("link", name="Load the page again").click()
    expect(result(operator)).to_have_text("1 of 20: Stoneware mug")


def test_the_rest_of_a_line_is_picked_or_reported_short_and_packed(
    operator: Page, mugs: Fulfillment, scan
):
    mug, plate = line(operator, "Stoneware mug"), line(operator, "plate")
    scan("var_mug")
    expect(result(operator)).to_have_text("1 of 20: Stoneware mug")
    mug.get_by_role("button", name="Pick all that is left").dblclick()
    expect(mug).to_contain_text("20 of 20 picked")
    expect(operator.locator("#code")).to_be_focused()
    plate.get_by_text("Short…").click()
    plate.get_by_label("Units").fill("1")
    plate.get_by_label("Units").press("Enter")  # a scanner's, which must not submit
    plate.get_by_label("Reason").select_option("Damaged")
    plate.get_by_role("button", name="Report short").click()
    expect(plate).to_contain_text("0 of 2 picked, 1 short")
    expect(operator.get_by_role("link", name="Pack")).to_be_hidden()
    scan("var_plate")
    expect(plate).to_contain_text("1 of 2 picked, 1 short")
    assert picked(mugs) == [20, 1]
    assert list(Pick.objects.values_list("short_reason", flat=True)) == ["", "", "damaged", ""]
    operator.get_by_role("link", name="Pack").click()
    expect(operator.get_by_role("button", name="Pack")).to_be_visible()


def test_the_page_fits_the_screen_and_has_large_targets(operator: Page, mugs: Fulfillment, scan):
    scan("var_plate")
    expect(result(operator)).to_contain_text("1 of 2")
    line(operator, "plate").get_by_text("Short…").click()
    for width in (320, 390, 1280):
        operator.set_viewport_size({"width": width, "height": 700})
        assert operator.evaluate("document.documentElement.scrollWidth") <= width
        assert operator.eval_on_selector_all(TARGETS, TOO_SMALL) == []


def test_the_code_field_keeps_the_focus_without_the_keyboard(
    operator: Page, mugs: Fulfillment, scan
):
    code, keyboard = operator.locator("#code"), operator.get_by_role("button", name="Keyboard")
    expect(code).to_be_focused()
    expect(code).to_have_attribute("inputmode", "none")
    keyboard.click()
    expect(code).to_be_focused()
    expect(code).to_have_attribute("inputmode", "text")
    operator.locator("header").click()
    expect(code).to_be_focused()
    operator.keyboard.press("Tab")
    expect(keyboard).to_be_focused()
    scan("var_mug")
    expect(result(operator)).to_have_text("1 of 20: Stoneware mug")


def test_the_forms_work_without_the_script(operator: Page, mugs: Fulfillment):
    state, browser = operator.context.storage_state(), operator.context.browser
    assert browser
    context = browser.new_context(java_script_enabled=False, storage_state=state)
    page = context.new_page()
    page.goto(operator.url)
    page.get_by_label("Scan or type a code").fill("var_mug")
    page.get_by_label("Scan or type a code").press("Enter")
    expect(result(page)).to_have_text("1 of 20: Stoneware mug")
    line(page, "Stoneware mug").get_by_role("button", name="Pick all that is left").click()
    expect(result(page)).to_have_text("20 of 20: Stoneware mug")
    expect(page.get_by_role("button", name="Keyboard")).to_be_hidden()
    context.close()
