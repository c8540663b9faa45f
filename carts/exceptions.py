"""What a cart refuses besides a transition that its state does not allow."""

from config.core.exceptions import DomainError


class TooMany(DomainError):
    """More lines, or more units of one, than a cart holds."""

    code = "too_many"


class CannotMerge(DomainError):
    """The two carts do not belong together."""

    code = "cannot_merge"
