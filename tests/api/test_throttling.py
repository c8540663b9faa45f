import pytest
from django.core.cache import cache
from django.test import Client

from tests.api.test_problems import check

pytestmark = [pytest.mark.urls("tests.api.urls"), pytest.mark.django_db]
PATH = "/api/v1/things"


@pytest.fixture(autouse=True)
def limit(settings):
    settings.API_THROTTLE = "2/min"
    cache.clear()
    yield
    cache.clear()


def statuses(client, count=3, **kwargs):
    return [client.get(PATH, **kwargs).status_code for _ in range(count)]


def test_one_request_more_than_the_limit_is_429_and_says_when_to_come_back(api):
    assert statuses(api, 2) == [200, 200]
    refused = api.get(PATH)
    check(refused, 429, "throttled")
    assert 0 < int(refused["Retry-After"]) <= 60


def test_each_subject_of_each_organization_has_its_own_allowance(caller):
    assert statuses(caller()) == [200, 200, 429]
    for other in (caller(subject="user_2"), caller(organization="org_2")):
        assert statuses(other) == [200, 200, 429]


def test_a_subject_has_one_allowance_whatever_token_it_holds(caller):
    assert [caller(scope).get(PATH).status_code for scope in ("*", "things:read", "*")] == [
        200,
        200,
        429,
    ]


def test_requests_that_are_refused_count_too(caller):
    assert statuses(caller("other:read")) == [403, 403, 429]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer forged"}])
def test_who_has_no_good_token_is_limited_by_address(headers, api):
    anonymous = Client(headers=headers)
    assert statuses(anonymous, REMOTE_ADDR="10.0.0.1") == [401, 401, 429]
    assert statuses(anonymous, REMOTE_ADDR="10.0.0.2") == [401, 401, 429]
    assert statuses(api, REMOTE_ADDR="10.0.0.1") == [200, 200, 429]


def test_the_address_is_the_one_that_our_proxy_names():
    """What stands before it in X-Forwarded-For, the client may have made up."""
    seen = [Client(headers={"X-Forwarded-For": f"{n}.0.0.0, 10.0.0.1"}) for n in range(3)]
    assert [client.get(PATH).status_code for client in seen] == [401, 401, 429]


@pytest.mark.parametrize("url", ["/api/docs/", "/api/schema/", "/api/v1/events/catalog/"])
def test_the_documentation_is_limited_by_address_too(settings, url):
    settings.ROOT_URLCONF = "config.urls"
    answers = [Client().get(url).status_code for _ in range(3)]
    assert answers == [200, 200, 429]


def test_an_empty_setting_lifts_the_limit(settings, api):
    settings.API_THROTTLE = ""
    assert set(statuses(api, 5)) == {200}
