import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections
from django.utils import timezone

from config.api import idempotency, tasks
from config.api.models import IdempotencyRecord
from config.core.exceptions import DomainError
from tests.api import urls
from tests.api.test_problems import check

pytestmark = [pytest.mark.urls("tests.api.urls"), pytest.mark.django_db]
PATH = "/api/v1/things"
KEY = {"Idempotency-Key": "k-1"}


def closing_connections(call):
    """Return `call`, followed by closing the database connections of its thread."""

    def closing(*args):
        try:
            return call(*args)
        finally:
            connections.close_all()

    return closing


def test_a_repeated_request_gets_the_same_response(api, order):
    first = api.post(PATH, order, headers=KEY)
    again = api.post(PATH, dict(reversed(order.items())), headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert Group.objects.count() == 1


def test_without_a_key_a_repeated_request_is_executed_again(api, order):
    api.post(PATH, order)
    api.post(PATH, order)
    assert Group.objects.count() == 2
    assert not IdempotencyRecord.objects.exists()


def test_a_key_is_refused_with_another_body_or_actor(api, order):
    api.post(PATH, order, headers=KEY)
    for other in (order | {"currency": "EUR"}, order | {"actor": "picker_1"}):
        check(api.post(PATH, other, headers=KEY), 422, "idempotency_key_reused")
    assert Group.objects.count() == 1


def test_a_key_belongs_to_its_caller_and_path(caller, api, order):
    api.post(PATH, order, headers=KEY)
    for other in (caller(organization="org_2"), caller(subject="user_2")):
        assert "Idempotent-Replayed" not in other.post(PATH, order, headers=KEY)
    assert "Idempotent-Replayed" not in api.post(f"{PATH}/pay", headers=KEY)
    assert Group.objects.count() == 3


def test_an_operation_can_require_a_key(api):
    check(api.post(f"{PATH}/pay"), 400, "idempotency_key_required")
    for replayed in (None, "true"):
        response = api.post(f"{PATH}/pay", headers=KEY)
        assert (response.status_code, response.content) == (204, b"")
        assert response.get("Idempotent-Replayed") == replayed


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256])
def test_a_malformed_key_is_refused(api, order, key):
    response = api.post(PATH, order, headers={"Idempotency-Key": key})
    assert list(check(response, 400, "invalid_request")["errors"]) == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("error", "status"), [(DomainError("No."), 422), (RuntimeError("broken"), 500)]
)
def test_a_failed_request_stores_nothing(api, order, monkeypatch, error, status):
    def fail():
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(urls.Things, "work", staticmethod(fail))
        assert api.post(PATH, order, headers=KEY).status_code == status
    assert not Group.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    assert api.post(PATH, order, headers=KEY).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_an_error_response_stores_nothing(api):
    assert api.post(f"{PATH}/busy", headers=KEY).status_code == 503
    assert not Group.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_a_key_can_be_used_again_after_a_day(api, order):
    api.post(PATH, order, headers=KEY)
    old = timezone.now() - idempotency.retention() - timedelta(seconds=1)
    IdempotencyRecord.objects.update(created_at=old)
    assert "Idempotent-Replayed" not in api.post(PATH, order, headers=KEY)
    assert Group.objects.count() == 2
    assert IdempotencyRecord.objects.count() == 1


def test_old_records_are_deleted_in_batches(api, order, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH_SIZE", 2)
    for number in range(5):
        api.post(PATH, order, headers={"Idempotency-Key": f"k-{number}"})
    assert tasks.delete_old_records() == 0
    assert tasks.delete_old_records((timezone.now() + timedelta(hours=25)).isoformat()) == 5
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_ten_concurrent_requests_are_executed_once(caller, order):
    together = threading.Barrier(10)

    @closing_connections
    def send(client):
        together.wait(timeout=10)
        return client.post(PATH, order, headers=KEY)

    with ThreadPoolExecutor(10) as pool:
        responses = list(pool.map(send, [caller() for _ in range(10)]))
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert sum("Idempotent-Replayed" in response for response in responses) == 9
    assert Group.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no lock_timeout")
def test_a_concurrent_request_does_not_wait_forever(caller, order, monkeypatch):
    concurrent = []

    @closing_connections
    def send():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '20ms'")
        return caller().post(PATH, order, headers=KEY)

    def work():
        with ThreadPoolExecutor(1) as pool:
            concurrent.append(pool.submit(send).result(timeout=10))

    monkeypatch.setattr(urls.Things, "work", staticmethod(work))
    assert caller().post(PATH, order, headers=KEY).status_code == 201
    (response,) = concurrent
    check(response, 409, "in_progress")
    assert response["Retry-After"] == "1"
    assert Group.objects.count() == 1
