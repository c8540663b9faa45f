"""Logins to the admin cannot be guessed, and who tries is on record."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessFailureLog
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.admin.tasks import delete_old_logins

pytestmark = pytest.mark.django_db
LOGIN = reverse("admin:login")
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def olga(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick
    return User.objects.create_superuser("olga", password=PASSWORD)


def log_in(username="olga", password=PASSWORD, *, address="203.0.113.9", more=""):
    """Log in from an address, behind nginx and whatever else the client claims to be behind."""
    headers = {"X-Forwarded-For": f"{more}{address}"}
    return Client().post(LOGIN, {"username": username, "password": password}, headers=headers)


def fail(times, **given):
    return [log_in(password="guess", **given).status_code for _ in range(times)]


def test_an_account_is_locked_after_ten_failures_wherever_they_come_from():
    statuses = [fail(1, address=f"203.0.113.{n}")[0] for n in range(10)]
    assert statuses == [200] * 9 + [429]
    locked = log_in(address="198.51.100.1")
    assert locked.status_code == 429
    assert "Too many failed logins" in locked.content.decode()
    assert locked["Retry-After"] == "900"
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert log_in().status_code == 302


def test_an_address_is_locked_after_ten_failures_whatever_accounts_it_tries():
    assert [fail(1, username=f"guess{n}")[0] for n in range(10)] == [200] * 9 + [429]
    assert log_in().status_code == 429
    assert log_in(address="198.51.100.1").status_code == 302


def test_a_client_neither_invents_its_address_nor_changes_it_within_its_network():
    assert fail(10, username="x", more="192.0.2.1, ")[-1] == 429
    assert log_in(more="192.0.2.2, ").status_code == 429
    for n in range(10):
        fail(1, username=f"guess{n}", address=f"2001:db8:0:1::{n}")
    assert log_in(address="2001:db8:0:1:ffff::1").status_code == 429
    assert log_in(address="2001:db8:0:2::1").status_code == 302
    assert log_in(address="not an address").status_code == 302


def test_refused_attempts_do_not_keep_an_operator_out_for_longer():
    fail(10)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14))
    fail(3)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert log_in().status_code == 302


def test_a_superuser_sees_who_failed_and_no_password(operator):
    fail(1, username="mallory")
    assert "guess" not in str(list(AccessAttempt.objects.values()))
    page = operator(username="root").get(reverse("admin:axes_accessfailurelog_changelist"))
    assert all(text in page.content.decode() for text in ("mallory", "203.0.113.9"))
    row = AccessFailureLog.objects.get()
    change = reverse("admin:axes_accessfailurelog_change", args=[row.pk])
    assert operator(username="anna").get(change).status_code == 200
    staff = operator("axes.view_accessfailurelog", username="otto")
    assert staff.get(change).status_code in (302, 403)


def test_a_session_does_not_guess_the_password(olga):
    client, page = Client(), reverse("admin:password_change")
    client.force_login(olga, "django.contrib.auth.backends.ModelBackend")
    new = dict.fromkeys(("new_password1", "new_password2"), "another long password")
    guesses = [client.post(page, new | {"old_password": f"guess {n}"}) for n in range(10)]
    assert [guess.status_code for guess in guesses] == [200] * 9 + [429]
    assert client.post(page, new | {"old_password": PASSWORD}).status_code == 429
    AccessAttempt.objects.all().delete()
    assert client.post(page, new | {"old_password": PASSWORD}).status_code == 302
    assert log_in(password="another long password")["Location"] == "/admin/"


def test_a_login_leads_to_the_admin():
    assert log_in()["Location"] == "/admin/"


def test_a_username_that_no_account_can_have_is_refused():
    assert "enter the correct" in log_in("x" * 300).content.decode().lower()


def test_sessions_end_with_the_working_day_and_old_rows_are_deleted():
    log_in()
    (session,) = Session.objects.all()
    left = session.expire_date - timezone.now()
    assert timedelta(hours=11) < left <= timedelta(seconds=settings.SESSION_COOKIE_AGE)
    assert left <= timedelta(hours=12)
    fail(1)
    for days, kept in ((0, [1, 1, 1]), (1, [0, 0, 1]), (91, [0, 0, 0])):
        delete_old_logins((timezone.now() + timedelta(days=days)).isoformat())
        models = (Session, AccessAttempt, AccessFailureLog)
        assert [model.objects.count() for model in models] == kept
