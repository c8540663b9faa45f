from datetime import timedelta

from django.utils import timezone

from config.core import outbound
from payments.models import Payment

NOW = timezone.now()


def outcomes(**calls):
    """Return a call that has a given outcome for each row, or raises an exception."""

    def call(row_id):
        if calls[row_id] is None:
            raise RuntimeError("a mistake of ours")
        return calls[row_id]

    return call


def test_failing_rows_do_not_keep_later_ones_from_being_called():
    rows = [(name, "org_1", 1) for name in "abcd"]
    call = outcomes(a=None, b="skipped", c="failed", d="done")
    assert outbound.call_due(rows, call, limit=1) == 1


def test_a_run_calls_at_most_so_many_rows():
    rows = [(name, "org_1", 1) for name in "abc"]
    assert outbound.call_due(rows, lambda row_id: "done", limit=2) == 2


def test_an_account_that_does_not_respond_is_left_out_for_the_run():
    rows = [
        (name, "org_1", account)
        for name, account in zip("abc", ("slow", "slow", "quick"), strict=True)
    ]
    call = outcomes(a="no_response", c="done")
    assert outbound.call_due(rows, call) == 2


def test_a_new_request_from_a_host_whose_clock_is_ahead_is_callable():
    row = Payment()
    row.request_call(NOW + timedelta(seconds=1))
    assert row.is_callable(NOW)
    row.request_call(NOW, after=timedelta(minutes=1))
    assert not row.is_callable(NOW)


def test_a_repeated_call_waits_until_it_is_due():
    row = Payment()
    row.request_call(NOW)
    row.release(row.lease(NOW, timedelta(minutes=1)))
    row.schedule_retry(NOW, first=timedelta(seconds=1), longest=timedelta(seconds=1))
    assert not row.is_callable(NOW)
    assert row.is_callable(NOW + timedelta(seconds=1))
