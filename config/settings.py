"""All settings. docs/configuration.md describes those that come from the environment or `.env`."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from config import database, logs
from config.admin import theme
from config.api import openapi
from config.core import countries

BASE_DIR = Path(__file__).resolve().parent.parent


class Environment(environ.FileAwareEnv):
    """The environment. `NAME_FILE=/run/secrets/…` reads the variable NAME from a file."""

    class Values(FileAwareMapping):
        def __getitem__(self, name: str) -> str:
            return str(super().__getitem__(name)).rstrip("\n")  # which editors append to a file

    ENVIRON = Values()


env = Environment()
env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=False)
DEVELOPMENT_KEY = "development-only-key-that-every-installation-replaces"
SECRET_KEY = env.str("SECRET_KEY", default="") or DEVELOPMENT_KEY
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
if not DEBUG and (SECRET_KEY == DEVELOPMENT_KEY or len(SECRET_KEY) < 50):
    raise ImproperlyConfigured(
        "SECRET_KEY is not set, or has fewer than 50 characters. Set it to a long random string, "
        "or set DEBUG=true to develop."
    )
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"] if DEBUG else [])
if not (DEBUG or ALLOWED_HOSTS):
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS is not set. Set it to host names like orders.example.com, or set DEBUG=true "
        "to develop."
    )

INSTALLED_APPS = [
    "config.admin",
    "unfold.apps.BasicAppConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "corsheaders",
    "orders",
    "carts",
    "payments",
    "fulfillment",
    "shipments",
    "returns",
    "invoices",
    "events",
    "config.core",
    "config.pdf",
    "config.api",
    "config.devserver",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
]

MIDDLEWARE = [
    "config.api.middleware.RequestOrigin",
    "config.api.middleware.ContentSecurityPolicy",
    "corsheaders.middleware.CorsMiddleware",
    "config.api.middleware.BodyLimit",
    "config.api.middleware.DatabaseProblems",
    "events.health.Probes",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Database: SQLite for `make run`, PostgreSQL for everything else

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url(
        "DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'orders.sqlite3'}"
    )
}
if not (DEBUG or env.str("DATABASE_URL", default="")):
    raise ImproperlyConfigured(
        "DATABASE_URL is not set. Set it to postgres://user:password@host/name, or set DEBUG=true "
        "to develop on SQLite."
    )
_database = DATABASES["default"]
# The password, if the URL leaves it out.
_database["PASSWORD"] = _database["PASSWORD"] or env.str("DATABASE_PASSWORD", default="")
_database.setdefault("OPTIONS", {})
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["OPTIONS"] |= database.SQLITE
else:
    # A connection of the pool may be dead, after a restart of the server for example.
    _database["CONN_HEALTH_CHECKS"] = True
    _pool_size = env.int("DATABASE_POOL_SIZE", default=10)
    if _pool_size == 1:
        raise ImproperlyConfigured(
            "DATABASE_POOL_SIZE is 1, and a transaction may need a second connection: set 2 or "
            "more, or 0 for no pool."
        )
    # A command, such as a migration, may take long, but must not wait for a lock for long: all
    # requests would wait behind it.
    DATABASE_TIMEOUTS = {
        "command": env.str(
            "DATABASE_TIMEOUTS_COMMAND",
            default="lock_timeout=15s idle_in_transaction_session_timeout=60s",
        ),
        "web": env.str(
            "DATABASE_TIMEOUTS_WEB",
            default="lock_timeout=5s statement_timeout=15s idle_in_transaction_session_timeout=60s",
        ),
        "worker": env.str(
            "DATABASE_TIMEOUTS_WORKER",
            default="lock_timeout=15s statement_timeout=60s "
            "idle_in_transaction_session_timeout=60s",
        ),
    }
    _database["OPTIONS"] = database.postgresql(
        _pool_size, DATABASE_TIMEOUTS["command"], **_database["OPTIONS"]
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Celery: a task only says that there is work in the database, so it may get lost or run twice

# The password of the user that the URLs of the brokers name, if they leave it out.
_BROKER_PASSWORD = env.str("BROKER_PASSWORD", default="")


def _with_password(url: str) -> str:
    server = urlsplit(url)
    if not (_BROKER_PASSWORD and server.username) or server.password:
        return url
    user, _, host = server.netloc.rpartition("@")
    return server._replace(netloc=f"{user}:{quote(_BROKER_PASSWORD, safe='')}@{host}").geturl()


CELERY_BROKER_URL = _with_password(env.str("CELERY_BROKER_URL", default="memory://"))
# Celery prefers the variable CELERY_BROKER_URL, without the password, to that setting.
CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = CELERY_BROKER_URL
EVENTS_QUEUE_PREFIX = env.str("EVENTS_QUEUE_PREFIX", default="")
_timeouts = {"connect_timeout": 3, "read_timeout": 10, "write_timeout": 10}
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"polling_interval": 0.05}
    if CELERY_BROKER_URL.startswith("memory:")
    # A task that cannot be sent immediately is dropped: `events.tasks.sweep` sends it again.
    else {"max_retries": 1, "interval_start": 0, "interval_step": 0, **_timeouts}
)
CELERY_TASK_QUEUES: dict[str, dict[str, Any]] = {
    f"{EVENTS_QUEUE_PREFIX}{name}": {"routing_key": f"{EVENTS_QUEUE_PREFIX}{name}"}
    for name in (
        *("events", "backlog", "reactions", "default"),  # what the database alone is needed for
        *("gateways", "carriers", "mail", "documents"),  # what may take long
    )
}
# Its tasks are all alike: one that waits is enough, and the broker drops the others.
CELERY_TASK_QUEUES[f"{EVENTS_QUEUE_PREFIX}events"]["queue_arguments"] = {"x-max-length": 1}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # a task that is prefetched does not expire
CELERY_TASK_DEFAULT_QUEUE = f"{EVENTS_QUEUE_PREFIX}default"
CELERY_TASK_DEFAULT_EXCHANGE = f"{EVENTS_QUEUE_PREFIX}tasks"
CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "direct"
CELERY_TASK_ROUTES = {
    "events.tasks.relay": {"queue": f"{EVENTS_QUEUE_PREFIX}events"},
    "events.tasks.relay_shard": {"queue": f"{EVENTS_QUEUE_PREFIX}backlog"},
    "events.tasks.sweep": {"queue": f"{EVENTS_QUEUE_PREFIX}backlog"},
    "events.tasks.react": {"queue": f"{EVENTS_QUEUE_PREFIX}reactions"},
    "payments.tasks.call_*": {"queue": f"{EVENTS_QUEUE_PREFIX}gateways"},
    "shipments.tasks.call_*": {"queue": f"{EVENTS_QUEUE_PREFIX}carriers"},
    "shipments.tasks.poll_carriers": {"queue": f"{EVENTS_QUEUE_PREFIX}carriers"},
    "shipments.tasks.track_shipment": {"queue": f"{EVENTS_QUEUE_PREFIX}carriers"},
    "invoices.tasks.render_documents": {"queue": f"{EVENTS_QUEUE_PREFIX}documents"},
    "invoices.tasks.send_mails": {"queue": f"{EVENTS_QUEUE_PREFIX}mail"},
}
# With the prefix, two installations on one broker and host do not lock each other's queues.
CELERY_CONTROL_EXCHANGE = f"{EVENTS_QUEUE_PREFIX}celery"
CELERY_EVENT_EXCHANGE = f"{EVENTS_QUEUE_PREFIX}celeryev"
CELERY_TASK_CREATE_MISSING_QUEUES = False  # so a worker refuses a misspelled queue
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_CONSUMER = "config.celery:WorkerConsumer"
CELERY_WORKER_REDIRECT_STDOUTS = False
# A client that may publish could shut the workers down. And its queue is exclusive: a worker that
# reconnects while the broker still holds the old connection would exit.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TIMEZONE = "UTC"
CELERY_DB_REUSE_MAX = 2**62  # config/celery.py returns a task's connection to the pool
CELERY_BEAT_SCHEDULER = "config.celery:Scheduler"
_SECONDS_BETWEEN_RUNS = {
    "events.tasks.sweep": 1,  # which starts other tasks when rows are due
    "carts.tasks.abandon_idle_carts": 60,
    "carts.tasks.expire_idle_carts": 600,
    "orders.tasks.expire_unpaid_orders": 15,
    "orders.tasks.hold_unreserved_orders": 60,
    "orders.tasks.expire_pending_orders": 600,
    "payments.tasks.process_pending_webhooks": 60,
    "shipments.tasks.poll_carriers": 60,
    "shipments.tasks.process_pending_webhooks": 60,
    "orders.tasks.erase_old_orders": 3600,
    "invoices.tasks.anonymize_old_invoices": 3600,
    "events.tasks.remove_old_events": 3600,
    "config.api.tasks.delete_old_records": 600,
    "config.admin.tasks.delete_old_logins": 3600,
}
CELERY_BEAT_SCHEDULE = {
    # The broker drops a task that no worker took before the next one is sent.
    task: {"task": task, "schedule": seconds, "options": {"expiration": seconds}}
    for task, seconds in _SECONDS_BETWEEN_RUNS.items()
}

# Events

EVENTS_BROKER_URL = _with_password(env.str("EVENTS_BROKER_URL", default=CELERY_BROKER_URL))
EVENTS_BROKER_USER_ID = env.str(
    "EVENTS_BROKER_USER_ID", default=unquote(urlsplit(EVENTS_BROKER_URL).username or "")
)
EVENTS_EXCHANGE = env.str("EVENTS_EXCHANGE", default="order_events")
EVENTS_SHARDS = env.int("EVENTS_SHARDS", default=4)
EVENTS_KEEP_DAYS = env.int("EVENTS_KEEP_DAYS", default=None)  # None: for ever
if EVENTS_KEEP_DAYS is not None and EVENTS_KEEP_DAYS < 1:
    raise ImproperlyConfigured(
        "EVENTS_KEEP_DAYS must be 1 or more. Leave it out to keep events for ever."
    )
if not DEBUG and any(url.startswith("memory:") for url in (CELERY_BROKER_URL, EVENTS_BROKER_URL)):
    raise ImproperlyConfigured(
        "memory:// is only for `make run`. Set CELERY_BROKER_URL, and EVENTS_BROKER_URL if it is "
        "another broker, to amqp://user:password@host//, or set DEBUG=true to develop."
    )
# The queues that this service declares for its consumers, with the events that each receives: the
# specification's configuration, the bindings that its lines about single events add, and your own.
CONSUMER_CONFIG: dict[str, dict[str, Any]] = {
    EVENTS_EXCHANGE: {
        "exchange": EVENTS_EXCHANGE,
        "queues": {
            "inventory_order_consumer": [
                "order.confirmed",
                "order.cancelled",
                "order.shipped",
            ],
            "notification_order_consumer": [
                "order.created",
                "order.confirmed",
                "order.shipped",
                "order.delivered",
                "return.approved",
            ],
            "analytics_order_consumer": [
                "order.created",
                "order.confirmed",
                "cart.abandoned",
                "cart.converted",
            ],
        },
    }
}
_NAMED_CONSUMERS = {
    "inventory_order_consumer": ["order.placed", "return.received"],
    "notification_order_consumer": ["return.requested"],
    "marketing_order_consumer": ["cart.abandoned"],
    "customer_app_order_consumer": ["order.shipped"],
    "warehouse_order_consumer": ["return.requested"],
    "customer_service_order_consumer": ["return.requested"],
}
EVENTS_NAMED_CONSUMERS = env.json("EVENTS_NAMED_CONSUMERS", default=_NAMED_CONSUMERS)
# An internal event that is named here is published too: an extension event.
EVENTS_CONSUMER_QUEUES = env.json("EVENTS_CONSUMER_QUEUES", default={})
for _queues in (EVENTS_NAMED_CONSUMERS, EVENTS_CONSUMER_QUEUES):
    if not isinstance(_queues, dict) or not all(isinstance(_, list) for _ in _queues.values()):
        raise ImproperlyConfigured(
            "EVENTS_CONSUMER_QUEUES and EVENTS_NAMED_CONSUMERS must be JSON like "
            '{"billing_order_consumer": ["invoice.created"]}.'
        )
# Queues that receive the events of one organization only.
EVENTS_ORGANIZATION_QUEUES = env.json("EVENTS_ORGANIZATION_QUEUES", default={})
if not isinstance(EVENTS_ORGANIZATION_QUEUES, dict) or not all(
    isinstance(_, dict)
    and _.keys() == {"organization_id", "events"}
    and isinstance(_["organization_id"], str)
    and isinstance(_["events"], list)
    for _ in EVENTS_ORGANIZATION_QUEUES.values()
):
    raise ImproperlyConfigured(
        'EVENTS_ORGANIZATION_QUEUES must be JSON like {"acme_order_consumer": '
        '{"organization_id": "org_acme", "events": ["order.shipped"]}}.'
    )

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")  # of web processes; without it: not served
if not DEBUG and METRICS_TOKEN and len(METRICS_TOKEN) < 32:
    raise ImproperlyConfigured("METRICS_TOKEN must have 32 or more characters.")
METRICS_PORT = env.int("METRICS_PORT", default=0)  # of workers and the scheduler; 0: not served

# Retention: docs/operations/retention.md lists all tables. None: for ever

PERSONAL_DATA_KEEP_DAYS = env.int("PERSONAL_DATA_KEEP_DAYS", default=None)
AUDIT_KEEP_DAYS = env.int("AUDIT_KEEP_DAYS", default=None)
WEBHOOKS_KEEP_DAYS = env.int("WEBHOOKS_KEEP_DAYS", default=30)
if WEBHOOKS_KEEP_DAYS < 4:
    raise ImproperlyConfigured(
        "WEBHOOKS_KEEP_DAYS must be 4 or more: a webhook is tried, and sent again, for three days."
    )
IDEMPOTENCY_KEEP_HOURS = env.int("IDEMPOTENCY_KEEP_HOURS", default=24)
for _days in (PERSONAL_DATA_KEEP_DAYS, AUDIT_KEEP_DAYS, IDEMPOTENCY_KEEP_HOURS):
    if _days is not None and _days < 1:
        raise ImproperlyConfigured(
            "PERSONAL_DATA_KEEP_DAYS, AUDIT_KEEP_DAYS and IDEMPOTENCY_KEEP_HOURS must be 1 or more."
        )

# API

# The number of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=1)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["config.api.authentication.BearerToken"],
    "DEFAULT_PERMISSION_CLASSES": ["config.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "config.api.pagination.NewestFirst",
    "DEFAULT_THROTTLE_CLASSES": ["config.api.throttling.PerCaller"],
    "DEFAULT_METADATA_CLASS": None,  # so OPTIONS is 405: there is an OpenAPI document
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.Schema",
    "EXCEPTION_HANDLER": "config.api.problems.handle",
    "NUM_PROXIES": TRUSTED_PROXIES,
    "UNAUTHENTICATED_USER": None,
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%SZ",
}
SPECTACULAR_SETTINGS = openapi.SETTINGS
API_THROTTLE = env.str("API_THROTTLE", default="600/min")
if API_THROTTLE and not re.fullmatch(r"[1-9][0-9]*/(sec|min|hour|day)", API_THROTTLE):
    raise ImproperlyConfigured("API_THROTTLE must be a rate like 600/min, or empty for no limit.")
# Of the 8 threads of a web process: for requests of one organization, and for calls to gateways and
# carriers. 0: no limit.
API_ORGANIZATION_SLOTS = env.int("API_ORGANIZATION_SLOTS", default=6)
API_OUTBOUND_SLOTS = env.int("API_OUTBOUND_SLOTS", default=4)
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/v1/"
CORS_ALLOW_HEADERS = [
    "authorization",
    "content-type",
    "idempotency-key",
    "traceparent",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = (
    *("Idempotent-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"),
)
JWT_SECRET = env.str("JWT_SECRET", default="") or (SECRET_KEY if DEBUG else "")
JWT_SECRET_FALLBACKS = env.list("JWT_SECRET_FALLBACKS", default=[])
JWT_JWKS_URL = env.str("JWT_JWKS_URL", default="")
JWT_ISSUER = env.str("JWT_ISSUER", default="")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", default="")
_DAY = 86_400
JWT_MAX_LIFETIME = env.int("JWT_MAX_LIFETIME", default=30 * _DAY if DEBUG else _DAY)  # seconds
DOCUMENT_LINK_DAYS = env.int("DOCUMENT_LINK_DAYS", default=30)
DOCUMENT_TEMPLATES = env.str("DOCUMENT_TEMPLATES", default="")
DOCUMENT_FONTS = env.str("DOCUMENT_FONTS", default="")
for _secret in (JWT_SECRET, *JWT_SECRET_FALLBACKS):
    if not DEBUG and _secret and len(_secret) < 32:
        raise ImproperlyConfigured("JWT_SECRET and its fallbacks must have 32 or more characters.")
if not (JWT_SECRET or JWT_JWKS_URL):
    raise ImproperlyConfigured(
        "Tokens cannot be verified. Set JWT_SECRET (32 or more characters), or JWT_JWKS_URL."
    )

if not DEBUG and JWT_JWKS_URL and not (JWT_ISSUER and JWT_AUDIENCE):
    raise ImproperlyConfigured(
        "JWT_JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE: otherwise a token that the identity "
        "provider issued for another service would be valid here."
    )

# Payments

STRIPE_API_KEY = env.str("STRIPE_API_KEY", default="")  # of the platform
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
PAYMENT_SANDBOX = env.bool(
    "PAYMENT_SANDBOX", default=DEBUG
)  # never in production: it accepts any payment

# Shipments

# The sandbox sells labels for carriers without an account and without an adapter of their name.
CARRIER_SANDBOX = env.bool("CARRIER_SANDBOX", default=DEBUG)
EASYPOST_API_KEY = env.str("EASYPOST_API_KEY", default="")
EASYPOST_API_BASE = env.str("EASYPOST_API_BASE", default="https://api.easypost.com")
EASYPOST_WEBHOOK_SECRET = env.str("EASYPOST_WEBHOOK_SECRET", default="")

# Documents and mail

PUBLIC_URL = env.str("PUBLIC_URL", default="http://localhost:8000" if DEBUG else "").rstrip("/")
if not PUBLIC_URL:
    raise ImproperlyConfigured(
        "PUBLIC_URL is not set. Set it to a URL like https://orders.example.com."
    )
MEDIA_ROOT = env.path("MEDIA_ROOT", default=BASE_DIR / "var" / "media")
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="orders@localhost")
if DEBUG and not env.str("EMAIL_URL", default=""):
    EMAIL_BACKEND = "config.devserver.mail.ConsoleBackend"
else:
    vars().update(env.email_url("EMAIL_URL", default="smtp://localhost"))
    if vars()["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend":
        EMAIL_BACKEND = "config.core.mail.SmtpBackend"
EMAIL_TIMEOUT = 10  # seconds
# The seller on the invoices of an organization without a Seller row.
DEFAULT_SELLER: dict[str, str] = env.json("DEFAULT_SELLER", default={"name": "Order Service"})
if DEFAULT_SELLER.get("country") and (_error := countries.objection(DEFAULT_SELLER["country"])):
    raise ImproperlyConfigured(f"DEFAULT_SELLER: {_error}")

INVOICE_RETENTION_YEARS = env.int("INVOICE_RETENTION_YEARS", default=10)
if INVOICE_RETENTION_YEARS < 1:
    raise ImproperlyConfigured("INVOICE_RETENTION_YEARS must be 1 or more: laws require 5 to 10.")

# Admin

AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTH_PASSWORD_VALIDATORS.append(
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    }
)
UNFOLD = theme.SETTINGS
CONTENT_SECURITY_POLICIES = {
    "/admin/": theme.CONTENT_SECURITY_POLICY,
    "/api/docs": openapi.CONTENT_SECURITY_POLICY,
}
# Since its last changes, not since the last request; a phone in the warehouse closes its browser.
SESSION_COOKIE_AGE = env.int("SESSION_COOKIE_AGE", default=43_200)  # seconds
LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses those who have failed too often
    "django.contrib.auth.backends.ModelBackend",
]
# So many failed logins to one account, or from one address, within the time. An attempt that is
# refused because of them does not extend it.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = ["username", "ip_address"]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "config.admin.logins.client_address"
AXES_LOCKOUT_CALLABLE = "config.admin.logins.locked_out"
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_DISABLE_ACCESS_LOG = True  # successful logins are in the log of the process
AXES_ENABLE_ADMIN = False  # its pages are not Unfold's
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code"]  # in what it logs and stores
ADMIN_SECOND_FACTOR_REQUIRED = env.bool("ADMIN_SECOND_FACTOR_REQUIRED", default=False)
OTP_TOTP_ISSUER = theme.SETTINGS["SITE_TITLE"]
LOGIN_FAILURES_KEEP_DAYS = env.int("LOGIN_FAILURES_KEEP_DAYS", default=90)

# Defaults of rules. A Policy row of a context overrides them for one organization.

CART_ABANDONED_AFTER = env.int("CART_ABANDONED_AFTER", default=24 * 60 * 60)  # seconds
CART_EXPIRED_AFTER = env.int("CART_EXPIRED_AFTER", default=90 * 24 * 60 * 60)  # seconds
RESERVATION_TTL_MINUTES = env.int("RESERVATION_TTL_MINUTES", default=15)
PENDING_ORDER_DAYS = env.int("PENDING_ORDER_DAYS", default=30)
RESERVATION_TIMEOUT_MINUTES = env.int("RESERVATION_TIMEOUT_MINUTES", default=60)
MANUAL_PAYMENT_DAYS = env.int("MANUAL_PAYMENT_DAYS", default=7)
RETURN_WINDOW_DAYS = env.int("RETURN_WINDOW_DAYS", default=30)

# The rest of Django

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "config.formats"
STATIC_URL = "static/"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes of a request body
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000  # an order's lines, in a form of the admin
STATIC_ROOT = env.path("STATIC_ROOT", default=BASE_DIR / "var" / "static")
if not DEBUG:  # with DEBUG, the development server serves them
    MIDDLEWARE.insert(
        MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1,
        "whitenoise.middleware.WhiteNoiseMiddleware",
    )
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
LOGGING = logs.configuration(level=env.str("LOG_LEVEL", default="INFO"), as_json=not DEBUG)
if not DEBUG:
    if TRUSTED_PROXIES:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=3600)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
    SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
