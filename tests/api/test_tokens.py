import json
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from config.api import revocation, tokens
from config.api.models import Revocation
from config.api.tasks import delete_old_records
from tests.api.test_problems import check

pytestmark = [pytest.mark.urls("tests.api.urls"), pytest.mark.django_db]
SECRET = "a secret of the tests that is long enough for every algorithm, HS512 too"


@pytest.fixture(autouse=True)
def secret(settings):
    settings.JWT_SECRET, settings.JWT_JWKS_URL = SECRET, ""
    settings.JWT_ISSUER = settings.JWT_AUDIENCE = ""
    settings.JWT_MAX_LIFETIME = 86_400


def claims(**changes):
    moment = timezone.now() + timedelta(minutes=1)
    given = {"sub": "user_1", "organization_id": "org_1", "scope": "*", "exp": moment} | changes
    return {name: value for name, value in given.items() if value is not None}


def list_things(token):
    return Client().get("/api/v1/things", headers={"Authorization": f"Bearer {token}"})


def signed(key=SECRET, algorithm="HS256", kid=None, **changes):
    return jwt.encode(claims(**changes), key, algorithm, headers={"kid": kid} if kid else None)


def test_a_valid_token():
    assert list_things(signed()).status_code == 200


@pytest.mark.parametrize("header", [None, "Basic dTpw", "user_1"])
def test_no_token(header):
    response = Client().get("/api/v1/things", headers={"Authorization": header} if header else {})
    check(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_lifetime_that_is_written_as_text_is_no_longer_than_allowed():
    assert list_things(signed(exp=str(int(time.time()) + 60))).status_code == 200
    check(list_things(signed(exp=str(int(time.time()) + 10**7))), 401, "invalid_token")


def test_an_expired_token():
    response = list_things(signed(exp=timezone.now() - timedelta(seconds=1)))
    check(response, 401, "token_expired")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "u" * 65},
        {"sub": "user\0"},
        {"organization_id": None},
        {"organization_id": 7},
        {"organization_id": ""},
        {"scope": ["orders:read"]},
        {"key": SECRET + "x"},
        {"key": None, "algorithm": "none"},
        {"algorithm": "HS512"},
    ],
)
def test_an_invalid_token(changes):
    check(list_things(signed(**changes)), 401, "invalid_token")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "a b"])
def test_a_malformed_token(token):
    check(list_things(token), 401, "invalid_token")


def test_issuer_and_audience_are_checked_if_they_are_configured(settings):
    settings.JWT_ISSUER, settings.JWT_AUDIENCE = "https://id.example", "orders"
    check(list_things(signed()), 401, "invalid_token")
    check(list_things(signed(iss="https://id.example", aud="carts")), 401, "invalid_token")
    assert list_things(signed(iss="https://id.example", aud="orders")).status_code == 200


@pytest.fixture
def identity_provider(settings):
    """Serve an RSA and an EC key, as an identity provider does; return the private keys."""
    private = {
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
    }
    public = [
        {**RSAAlgorithm.to_jwk(private["rsa"].public_key(), as_dict=True), "kid": "rsa"},
        {**ECAlgorithm.to_jwk(private["ec"].public_key(), as_dict=True), "kid": "ec"},
    ]

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": public}).encode())

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    settings.JWT_JWKS_URL = f"http://127.0.0.1:{server.server_port}/keys"
    yield private
    server.shutdown()
    server.server_close()


def test_an_identity_providers_tokens(identity_provider):
    assert list_things(signed(identity_provider["rsa"], "RS256", "rsa")).status_code == 200
    assert list_things(signed(identity_provider["ec"], "ES256", "ec")).status_code == 200
    check(list_things(signed(identity_provider["ec"], "ES256", "rsa")), 401, "invalid_token")
    check(list_things(signed(identity_provider["rsa"], "RS256", "unknown")), 401, "invalid_token")


def test_the_shared_secret_is_not_accepted_with_an_identity_provider(identity_provider):
    check(list_things(signed(kid="rsa")), 401, "invalid_token")


def test_unknown_keys_keep_nobody_waiting_while_the_identity_provider_hangs(
    identity_provider, settings, monkeypatch
):
    known = signed(identity_provider["rsa"], "RS256", "rsa")
    assert list_things(known).status_code == 200
    keys = tokens._key_set(settings.JWT_JWKS_URL)
    keys.cooldown_duration = 0
    is_called, is_over = threading.Event(), threading.Event()
    calls = []

    def hang(*args, **kwargs):
        calls.append(args)
        is_called.set()
        is_over.wait(20)
        raise TimeoutError

    monkeypatch.setattr("urllib.request.OpenerDirector.open", hang)
    unknown = signed(identity_provider["rsa"], "RS256", "unknown")
    answers = []
    stranger = threading.Thread(target=lambda: answers.append(_refusal(unknown)))
    stranger.start()
    try:
        assert is_called.wait(20)
        assert list_things(known).status_code == 200
    finally:
        is_over.set()
        stranger.join()
    assert answers == [tokens.KeysUnavailable]
    assert [_refusal(unknown) for _ in range(3)] == [tokens.KeysUnavailable] * 3
    assert len(calls) == 1
    monkeypatch.undo()
    monkeypatch.setattr(tokens, "PAUSE", 0)
    assert _refusal(unknown) is jwt.PyJWKClientError


def _refusal(token):
    with pytest.raises((tokens.KeysUnavailable, jwt.PyJWTError)) as refused:
        tokens.verify(token)
    return refused.type


def test_an_unreachable_identity_provider(settings):
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        settings.JWT_JWKS_URL = f"http://127.0.0.1:{server.server_port}/keys"
    response = list_things(signed(kid="rsa"))
    check(response, 503, "identity_provider_unavailable")
    assert response["Retry-After"] == "5"


def test_the_command_prints_only_a_token(capsys):
    call_command("issue_token", organization="org_1", subject="user_1", scope="things:read")
    token = capsys.readouterr().out
    assert token.count("\n") == 1
    assert list_things(token.strip()).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"), [("JWT_SECRET", ""), ("JWT_JWKS_URL", "https://id.example/keys")]
)
def test_the_command_without_a_secret(settings, name, value):
    setattr(settings, name, value)
    with pytest.raises(CommandError, match="JWT_SECRET"):
        call_command("issue_token", organization="org_1", subject="user_1", scope="*")


def test_an_issued_token_has_the_given_claims(settings):
    settings.JWT_ISSUER, settings.JWT_AUDIENCE = "https://id.example", "orders"
    given = {"organization_id": "org_1", "subject": "user_1", "scope": "things:read"}
    assert list_things(tokens.issue(**given, lifetime=timedelta(minutes=1))).status_code == 200
    with pytest.raises(ValueError, match="1 to 64"):
        tokens.issue(**given | {"subject": ""}, lifetime=timedelta(minutes=1))


def test_a_token_that_lives_too_long_is_refused(settings):
    settings.JWT_MAX_LIFETIME = 3600
    assert list_things(signed(exp=timezone.now() + timedelta(minutes=59))).status_code == 200
    response = list_things(signed(exp=timezone.now() + timedelta(minutes=61)))
    assert "at most 3600 seconds" in check(response, 401, "invalid_token")["detail"]
    with pytest.raises(CommandError, match="at most 3600 seconds"):
        call_command("issue_token", organization="org_1", subject="u", scope="*", hours=2)


def test_tokens_of_an_earlier_secret_are_valid_while_it_is_a_fallback(settings):
    token = signed()
    settings.JWT_SECRET = "another secret of the tests that is long enough"
    check(list_things(token), 401, "invalid_token")
    settings.JWT_SECRET_FALLBACKS = ["not this one, which is long enough too", SECRET]
    assert list_things(token).status_code == 200
    check(list_things(signed(exp=timezone.now() - timedelta(seconds=1))), 401, "token_expired")
    check(list_things(signed("a third secret of the tests, long enough")), 401, "invalid_token")


class TestRevoking:
    @pytest.fixture(autouse=True)
    def read_always(self, monkeypatch):
        """Read the table with each request, as a process that has just started does."""
        monkeypatch.undo()
        monkeypatch.setattr(revocation, "DELAY", 0)
        yield
        revocation.revocations.forget()

    def issue(self, subject="user_1", organization="org_1"):
        return tokens.issue(
            organization_id=organization,
            subject=subject,
            scope="*",
            lifetime=timedelta(minutes=1),
        )

    def test_one_token_is_revoked_by_its_jti(self):
        token, other = self.issue(), self.issue()
        jti = jwt.decode(token, options={"verify_signature": False})["jti"]
        for _ in range(2):
            call_command("revoke_token", organization="org_1", jti=jti)
        problem = check(list_things(token), 401, "invalid_token")
        assert "revoked" in problem["detail"]
        assert list_things(other).status_code == 200

    def test_all_tokens_of_a_subject_are_revoked_that_were_issued_before(self):
        before = self.issue()
        others = [self.issue("user_2"), self.issue(organization="org_2")]
        call_command("revoke_token", organization="org_1", subject="user_1")
        check(list_things(before), 401, "invalid_token")
        check(list_things(signed()), 401, "invalid_token")  # does not say when it was issued
        for other in others:
            assert list_things(other).status_code == 200
        Revocation.objects.update(revoked_at=timezone.now() - timedelta(seconds=2))
        assert list_things(self.issue()).status_code == 200

    def test_a_revocation_is_removed_when_its_tokens_have_expired(self, settings):
        call_command("revoke_token", organization="org_1", subject="user_1")
        for hours, count in [(23, 1), (25, 0)]:
            settings.JWT_MAX_LIFETIME = 86_400
            delete_old_records((timezone.now() + timedelta(hours=hours)).isoformat())
            assert Revocation.objects.count() == count


def test_other_processes_read_revocations_after_some_seconds(monkeypatch):
    """The table is not read with every request."""
    monkeypatch.undo()
    read = revocation.Revocations()
    claims_ = {"organization_id": "org_1", "sub": "user_1"}
    assert not read.include(claims_)
    revocation.revoke(organization_id="org_1", subject="user_1")
    assert not read.include(claims_)
    monkeypatch.setattr(revocation, "DELAY", 0)
    assert read.include(claims_)
