import pytest
from django.test import Client

from config.api.counters import counters
from tests.api.test_problems import check

pytestmark = [pytest.mark.urls("tests.api.urls"), pytest.mark.django_db]
PATH = "/api/v1/things"


@pytest.fixture(autouse=True)
def limit(settings, stopped_clock):
    settings.API_THROTTLE = "2/min"
    counters.forget()
    yield
    counters.forget()


def statuses(client, count=3, **kwargs):
    return [client.get(PATH, **kwargs).status_code for _ in range(count)]


def test_a_request_above_the_limit_is_429_with_retry_after(api):
    assert statuses(api, 2) == [200, 200]
    refused = api.get(PATH)
    check(refused, 429, "throttled")
    assert 0 < int(refused["Retry-After"]) <= 60


def test_each_subject_of_each_organization_has_its_own_limit(caller):
    assert statuses(caller()) == [200, 200, 429]
    for other in (caller(subject="user_2"), caller(organization="org_2")):
        assert statuses(other) == [200, 200, 429]


def test_all_tokens_of_a_subject_share_one_limit(caller):
    assert [caller(scope).get(PATH).status_code for scope in ("*", "things:read", "*")] == [
        200,
        200,
        429,
    ]


def test_refused_requests_are_counted(caller):
    assert statuses(caller("other:read")) == [403, 403, 429]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer forged"}])
def test_requests_without_a_valid_token_are_limited_by_address(headers, api):
    anonymous = Client(headers=headers)
    assert statuses(anonymous, REMOTE_ADDR="10.0.0.1") == [401, 401, 429]
    assert statuses(anonymous, REMOTE_ADDR="10.0.0.2") == [401, 401, 429]
    assert statuses(api, REMOTE_ADDR="10.0.0.1") == [200, 200, 429]


def test_the_address_is_the_one_that_the_trusted_proxy_adds():
    """The client can invent the addresses before it in X-Forwarded-For."""
    seen = [Client(headers={"X-Forwarded-For": f"{n}.0.0.0, 10.0.0.1"}) for n in range(3)]
    assert [client.get(PATH).status_code for client in seen] == [401, 401, 429]


@pytest.mark.parametrize("url", ["/api/docs/", "/api/schema/", "/api/v1/events/catalog/"])
def test_the_documentation_is_limited_by_address_too(settings, url):
    settings.ROOT_URLCONF = "config.urls"
    responses = [Client().get(url).status_code for _ in range(3)]
    assert responses == [200, 200, 429]


def test_an_empty_setting_disables_the_limit(settings, api):
    settings.API_THROTTLE = ""
    assert set(statuses(api, 5)) == {200}
