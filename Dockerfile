# One image for web and workers: the command decides. It runs as an unprivileged user on a
# read-only root file system, and writes only to /tmp, which may be a tmpfs, and to the documents.

FROM python:3.11-slim-bookworm AS build
COPY requirements.lock .
RUN python -m venv /venv && \
    /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    # The processes of one container share their metrics, in files that end with the container.
    PROMETHEUS_MULTIPROC_DIR=/tmp
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin orders && \
    install --directory --owner 10001 /var/lib/order-service
COPY --from=build /venv /venv
WORKDIR /srv/order-service
COPY . .
# The keys are needed to load the settings, not for the files. They do not stay in the image.
RUN SECRET_KEY=only-while-the-image-is-being-built-and-never-afterwards \
    ALLOWED_HOSTS=localhost PUBLIC_URL=https:// JWT_JWKS_URL=https:// \
    DATABASE_URL=postgres:// CELERY_BROKER_URL=amqp:// \
    python manage.py collectstatic --no-input --verbosity 0 && \
    PYTHONDONTWRITEBYTECODE= python -m compileall -q .
USER 10001
EXPOSE 8000 9100
CMD ["gunicorn", "--config", "python:config.gunicorn", "config.wsgi"]
