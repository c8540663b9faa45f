"""What the API shows of an aggregate's transitions."""

from typing import Any

from rest_framework import serializers

from events.aggregate import Aggregate


class AllowedActions(serializers.ListField):
    """The verbs of the aggregate's transition table that are possible now."""

    def __init__(self, aggregate: type[Aggregate], **kwargs: Any) -> None:
        verbs = dict.fromkeys(row.verb for row in aggregate.transitions() if row.verb)
        super().__init__(child=serializers.ChoiceField(list(verbs)), **kwargs)
