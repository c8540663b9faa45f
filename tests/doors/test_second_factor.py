"""The second factor of operators, with the codes that an app computes."""

import hmac
import time
from base64 import b32decode
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from axes.models import AccessFailureLog
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp import models as totp_models
from django_otp.plugins.otp_totp.models import TOTPDevice

pytestmark = pytest.mark.django_db
LOGIN, PAGE, INDEX = (reverse(f"admin:{name}") for name in ("login", "second_factor", "index"))
PASSWORD = "correct horse battery staple"


NOW = time.time()


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch):
    """No code may expire between its computation and its use."""
    monkeypatch.setattr(totp_models, "time", SimpleNamespace(time=lambda: NOW))


@pytest.fixture(autouse=True)
def olga(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick
    return User.objects.create_superuser("olga", password=PASSWORD)


def code_of(secret: str, steps: int = 0) -> str:
    """Return the code of RFC 6238 that an app shows, so many times 30 seconds from now."""
    counter = (int(NOW) // 30 + steps).to_bytes(8)
    digest = hmac.digest(b32decode(secret.replace(" ", "")), counter, "sha1")
    at = digest[-1] & 15
    return str((int.from_bytes(digest[at : at + 4]) & 0x7FFFFFFF) % 10**6).zfill(6)


def log_in(code="", *, password=PASSWORD, client=None):
    client = client or Client()
    sent = {"username": "olga", "password": password, "code": code}
    return client, client.post(f"{LOGIN}?next={INDEX}", sent)


def forget_throttling():
    """Devices accept no code for a second after a wrong one."""
    for model in (TOTPDevice, StaticDevice):
        past = timezone.now() - timedelta(hours=1)
        model.objects.exclude(throttling_failure_count=0).update(throttling_failure_timestamp=past)


@pytest.fixture
def enrolled():
    """A logged-in client with a second factor, its secret, and the recovery codes."""
    client, response = log_in()
    assert response.url == INDEX
    secret = client.get(PAGE).context["secret"]
    # The code of the step before, so that the current one is still unused.
    done = client.post(PAGE, {"password": PASSWORD, "code": code_of(secret, -1)})
    assert done.context["codes"] is not None, done.context["form"].errors
    return client, secret, done.context["codes"]


def test_the_page_shows_the_secret_as_text_and_as_a_code_to_scan():
    client, _ = log_in()
    page = client.get(PAGE)
    assert "<svg" in page.context["qr_code"]
    address = urlsplit(page.context["device"].config_url)
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    given = parse_qs(address.query)
    assert given["secret"] == [page.context["secret"].replace(" ", "")]
    assert client.get(PAGE).context["secret"] == page.context["secret"], "reloading keeps it"
    assert page["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"


def test_after_setting_it_up_a_login_needs_a_code_that_is_used_once(enrolled):
    own, secret, _ = enrolled
    assert own.get(INDEX).status_code == 200
    _, without = log_in()
    assert "Enter the code of your second factor too." in without.content.decode()
    code = code_of(secret)
    client, response = log_in(code)
    assert response.url == INDEX
    assert client.get(INDEX).status_code == 200
    _, again = log_in(code)
    assert "The code is wrong, or was used already." in again.content.decode()


def test_a_session_from_before_must_use_the_second_factor_too():
    before, _ = log_in()
    client, _ = log_in()
    secret = client.get(PAGE).context["secret"]
    client.post(PAGE, {"password": PASSWORD, "code": code_of(secret, -1)})
    for page in (INDEX, PAGE, reverse("admin:orders_order_changelist")):
        assert LOGIN in before.get(page).url
    device = TOTPDevice.objects.get()
    before.post(PAGE, {"password": PASSWORD, "code": code_of(secret)})
    assert TOTPDevice.objects.get() == device
    log_in(code_of(secret), client=before)
    assert before.get(INDEX).status_code == 200


def test_a_wrong_code_counts_as_a_failed_login(enrolled):
    _, secret, _ = enrolled
    for _ in range(9):
        _, response = log_in("000000")
        assert response.status_code == 200
    _, response = log_in("000000")
    assert response.status_code == 429
    assert AccessFailureLog.objects.filter(username="olga").count() == 10
    forget_throttling()
    _, response = log_in(code_of(secret))
    assert response.status_code == 429


def test_each_recovery_code_replaces_the_app_once(enrolled):
    _, _, codes = enrolled
    assert len(set(codes)) == 10
    client, response = log_in(codes[3].upper())
    assert response.url == INDEX
    assert client.get(INDEX).status_code == 200
    _, again = log_in(codes[3])
    assert again.status_code == 200
    forget_throttling()
    _, other = log_in(codes[4])
    assert other.status_code == 302


def test_setting_it_up_needs_the_password_and_a_code():
    client, _ = log_in()
    secret = client.get(PAGE).context["secret"]
    wrong = client.post(PAGE, {"password": "guess", "code": code_of(secret)})
    assert "The password is wrong." in wrong.content.decode()
    wrong = client.post(PAGE, {"password": PASSWORD, "code": "000000"})
    assert "The code is wrong" in wrong.content.decode()
    assert not TOTPDevice.objects.filter(confirmed=True).exists()
    assert log_in()[1].url == INDEX, "an unconfirmed device does not count"


def test_a_new_device_replaces_the_old_one_and_its_recovery_codes(enrolled):
    client, old, codes = enrolled
    new = client.get(PAGE).context["secret"]
    assert new != old
    assert client.post(PAGE, {"password": PASSWORD, "code": code_of(new, -1)}).context["codes"]
    assert client.get(INDEX).status_code == 200
    assert [log_in(code)[1].status_code for code in (code_of(old), codes[0])] == [200, 200]
    forget_throttling()
    assert log_in(code_of(new))[1].status_code == 302


def test_where_it_is_required_nothing_is_open_before_it_is_set_up(settings):
    settings.ADMIN_SECOND_FACTOR_REQUIRED = True
    client, response = log_in()
    page = client.get(response.url, follow=True)
    assert page.redirect_chain[-1][0] == PAGE
    assert page.context["sidebar_navigation"] == []
    assert LOGIN in client.get(reverse("admin:orders_order_changelist")).url
    sent = {"password": PASSWORD, "code": code_of(page.context["secret"], -1)}
    assert client.post(PAGE, sent).context["codes"]
    assert client.get(reverse("admin:orders_order_changelist")).status_code == 200
    assert LOGIN in Client().get(PAGE).url


def test_a_superuser_resets_a_lost_second_factor(enrolled, operator, olga):
    superuser = operator(username="root")
    change = reverse("admin:auth_user_change", args=[olga.pk])
    page = superuser.get(change)
    assert "totpdevice_set-0-DELETE" in page.content.decode()
    device = TOTPDevice.objects.get()
    assert device.key not in page.content.decode()
    sent = {
        "username": "olga",
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
        "totpdevice_set-TOTAL_FORMS": "1",
        "totpdevice_set-INITIAL_FORMS": "1",
        "totpdevice_set-0-id": device.pk,
        "totpdevice_set-0-user": olga.pk,
        "totpdevice_set-0-DELETE": "on",
    }
    assert superuser.post(change, sent).status_code == 302
    assert log_in()[1].url == INDEX
    staff = operator("auth.change_user", "otp_totp.delete_totpdevice", username="otto")
    assert staff.get(change).status_code in (302, 403)
