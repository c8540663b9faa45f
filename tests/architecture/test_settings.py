"""A process with unsafe settings does not start, and its error says what to set."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

PRODUCTION = {
    "SECRET_KEY": "s" * 50,
    "JWT_SECRET": "j" * 32,
    "CELERY_BROKER_URL": "amqp://localhost//",
    "DATABASE_URL": "postgres://localhost/orders",
    "ALLOWED_HOSTS": "orders.example.com",
    "PUBLIC_URL": "https://orders.example.com",
}


def load(code="import config.settings", **changes):
    """Import the settings in a process of its own, and return its errors."""
    ours = ("DEBUG", "EVENTS_BROKER_URL", "DATABASE_URL")
    env = {name: value for name, value in os.environ.items() if name not in ours}
    env |= {name: value for name, value in (PRODUCTION | changes).items() if value is not None}
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )
    return loaded.stderr


def test_a_production_like_environment_is_accepted():
    assert load() == ""


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "s" * 49}, "fewer than 50 characters"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is not set"),
        ({"DATABASE_URL": None}, "DATABASE_URL is not set"),
        ({"JWT_SECRET": ""}, "Tokens cannot be verified"),
        ({"JWT_SECRET": "j" * 31}, "must have 32 or more characters"),
        ({"METRICS_TOKEN": "m" * 31}, "METRICS_TOKEN must have 32 or more characters"),
        ({"JWT_SECRET_FALLBACKS": "j" * 31}, "must have 32 or more characters"),
        ({"JWT_JWKS_URL": "https://id.example/keys"}, "needs JWT_ISSUER and JWT_AUDIENCE"),
        ({"CELERY_BROKER_URL": "memory://"}, "memory:// is only for `make run`"),
        ({"PUBLIC_URL": None}, "PUBLIC_URL is not set"),
        ({"EVENTS_BROKER_URL": "memory://"}, "memory:// is only for `make run`"),
    ],
)
def test_unsafe_settings_are_refused(changes, complaint):
    assert complaint in load(**changes)
    assert load(**changes, DEBUG="true") == ""


def test_a_value_can_be_read_from_a_file(tmp_path):
    (tmp_path / "secret").write_text("j" * 31 + "\n")
    given = {"JWT_SECRET": None, "JWT_SECRET_FILE": str(tmp_path / "secret")}
    assert "must have 32 or more characters" in load(**given), "the newline is stripped"
    (tmp_path / "secret").write_text("j" * 32)
    assert load(**given) == ""


@pytest.mark.parametrize("rate", ["600", "0/min", "600/fortnight"])
def test_an_invalid_rate_is_refused(rate):
    assert "API_THROTTLE" in load(API_THROTTLE=rate)


def test_the_country_of_the_default_seller_is_one():
    assert "Write GB" in load(DEFAULT_SELLER='{"name": "Luna", "country": "UK"}')


def test_events_are_kept_for_one_day_or_more():
    assert "EVENTS_KEEP_DAYS must be 1 or more" in load(EVENTS_KEEP_DAYS="0")
    assert load(EVENTS_KEEP_DAYS="1") == ""


@pytest.mark.parametrize("value", ['["order.held"]', '{"support": "order.held"}'])
@pytest.mark.parametrize("name", ["EVENTS_CONSUMER_QUEUES", "EVENTS_NAMED_CONSUMERS"])
def test_queues_must_have_lists_of_events(name, value):
    assert "must be JSON like" in load(**{name: value})
    assert load(**{name: '{"support": ["order.created"]}'}) == ""


@pytest.mark.parametrize(
    "queue", ["[]", "{}", '{"organization_id": "org_1", "events": "order.held"}']
)
def test_a_queue_of_one_organization_must_say_which(queue):
    given = {"EVENTS_ORGANIZATION_QUEUES": f'{{"acme": {queue}}}'}
    assert "EVENTS_ORGANIZATION_QUEUES must be JSON like" in load(**given)


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("EVENTS_BROKER_URL", "amqp://worker@host:1/events", "amqp://worker:a%2Fb@host:1/events"),
        ("CELERY_BROKER_URL", "amqp://worker:c@host/tasks", "amqp://worker:c@host/tasks"),
        ("CELERY_BROKER_URL", "amqp://host/tasks", "amqp://host/tasks"),
    ],
)
def test_the_password_of_a_broker_is_added_to_a_user_without_one(name, url, expected):
    code = f"import config.settings as s; assert s.{name} == {expected!r}, s.{name}"
    assert load(code=code, BROKER_PASSWORD="a/b", **{name: url}) == ""


def test_the_password_of_the_database_is_used_if_the_url_has_none():
    code = "import config.settings as s; assert s.DATABASES['default']['PASSWORD'] == {!r}"
    given = {"DATABASE_PASSWORD": "a/b", "DATABASE_URL": "postgres://orders@host/orders"}
    assert load(code=code.format("a/b"), **given) == ""
    given["DATABASE_URL"] = "postgres://orders:c@host/orders"
    assert load(code=code.format("c"), **given) == ""


def test_without_a_proxy_the_forwarded_protocol_is_not_trusted():
    code = "import config.settings as s; assert not hasattr(s, 'SECURE_PROXY_SSL_HEADER'), 'taken'"
    assert load(code=code, TRUSTED_PROXIES="0") == ""
    assert "taken" in load(code=code, TRUSTED_PROXIES="1")
