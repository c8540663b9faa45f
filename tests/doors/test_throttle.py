"""The rate limit forgets no caller, is shared by all processes, and weighs requests."""

import pytest
from django.test import Client

from config.api import throttling
from config.api.counters import Counters
from config.api.models import RequestCount
from config.api.tasks import delete_old_records
from tests.api.test_problems import check

pytestmark = [pytest.mark.urls("tests.api.urls"), pytest.mark.django_db]
PATH = "/api/v1/things"


@pytest.fixture
def processes(monkeypatch, settings, stopped_clock):
    """Return a function that lets another process handle the next requests."""
    settings.API_THROTTLE = "10/min"
    running = [Counters(), Counters()]

    def switch(number):
        monkeypatch.setattr(throttling, "counters", running[number])
        return running[number]

    switch(0)
    return switch


def left(response):
    """Return how many requests the caller may send in how many seconds."""
    name, remaining, reset = response["RateLimit"].split(";")
    assert name == '"default"'
    assert 0 < int(reset.removeprefix("t=")) <= 60
    return int(remaining.removeprefix("r="))


def test_requests_of_many_other_callers_do_not_make_it_forget_one(processes, caller):
    flooder = caller()
    for _ in range(10):
        flooder.get(PATH)
    for number in range(400):
        Client().get(PATH, REMOTE_ADDR=f"10.0.{number // 250}.{number % 250}")
    check(flooder.get(PATH), 429, "throttled")


def test_all_processes_count_together(processes, caller, django_assert_num_queries):
    def send(client, count=1):
        return [client.get(PATH).status_code for _ in range(count)]

    mine, other = caller(), caller(organization="org_2")
    first = processes(0)
    assert send(mine, 6) == [200] * 6
    assert send(other) == [200]
    with django_assert_num_queries(1):
        first.flush()
    with django_assert_num_queries(0):
        first.flush()

    second = processes(1)
    assert send(mine) == [200]
    second.flush()
    assert send(mine, 4) == [200, 200, 200, 429]
    second.flush()

    processes(0)
    assert send(mine) == [200], "it has not heard of the others yet"
    first.flush()
    assert send(mine) == [429]
    assert send(other) == [200]


def test_every_answer_says_what_is_left(processes, caller):
    mine = caller("other:read")
    answers = [mine.get(PATH) for _ in range(11)]
    assert [left(answer) for answer in answers] == [*range(9, -1, -1), 0]
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"default";q=10;w=60'}
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert answers[-1]["RateLimit"].endswith(f"t={answers[-1]['Retry-After']}")
    assert left(Client().get(PATH)) == 9, "without a token too"


def test_a_host_with_many_ipv6_addresses_is_one_caller(processes):
    def send(address):
        return left(Client().get(PATH, REMOTE_ADDR=address))

    assert [send(f"2001:db8::{n}") for n in (1, 2)] == [9, 8]
    assert send("2001:db8:0:1::1") == 9
    assert [send(address) for address in ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2")] == [9, 8, 9]


def test_a_large_list_counts_as_several_requests(processes, api):
    rates = [("page_size=10", 9), ("page_size=25", 8), ("page_size=100", 4)]
    for query, remaining in rates:
        assert left(api.get(f"{PATH}?{query}")) == remaining
    assert api.get(f"{PATH}?page_size=100000").status_code == 400
    assert left(api.get(f"{PATH}?page_size=100")) == 0


def test_with_lines_a_list_counts_as_more_requests(processes, api, settings):
    settings.ROOT_URLCONF = "config.urls"
    assert left(api.get("/api/v1/orders")) == 9
    assert left(api.get("/api/v1/orders?expand=items")) == 4
    assert api.get("/api/v1/orders?expand=items&page_size=100").status_code == 429


def test_ended_counts_are_deleted(processes, api):
    api.get(PATH)
    processes(0).flush()
    delete_old_records()
    assert RequestCount.objects.exists()
    delete_old_records(now="2099-01-01T00:00:00+00:00")
    assert not RequestCount.objects.exists()
