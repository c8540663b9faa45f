"""The operator account of `make run`, for the admin."""

import os
import secrets
from pathlib import Path

from django.contrib.auth import get_user_model

USERNAME = "operator"


def get_or_create(directory: Path) -> str | None:
    """Return the operator's password, or None if it was changed in the admin.

    The password is saved to a file in `directory`, so that it stays the same over restarts.
    """
    file = directory / "operator-password"
    users = get_user_model()._default_manager
    operator = users.filter(username=USERNAME).first()
    if operator is None:
        password = secrets.token_urlsafe(9)
        file.unlink(missing_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as private:
            private.write(password)
        users.create_superuser(USERNAME, password=password)
        return password
    password = file.read_text() if file.exists() else ""
    return password if operator.check_password(password) else None
