"""The form of a command. The serializer of the API defines its fields and validates them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from rest_framework import serializers
from unfold import widgets

from config.admin.columns import words
from config.admin.labels import hint, label
from config.api import problems
from config.api.client_data import Metadata

BLANK_ROWS = 2  # additional rows of a list

Choices = Mapping[str, list[tuple[str, str]]]  # by field name, at any depth


@dataclass
class Section:
    """Fields that belong together; a list has a row for each entry."""

    title: str
    rows: list[list[forms.BoundField]] = field(default_factory=list)
    is_list: bool = False


class CommandForm(forms.Form):
    """The fields of a serializer, each named by its path: `items[0].quantity`.

    The form assembles the JSON that a client would send. The serializer validates it, and its
    errors are shown at their fields. A blank field is left out, as is a row in which only
    checkboxes and fields with `choices` are filled in.
    """

    def __init__(
        self,
        serializer: type[serializers.Serializer[Any]],
        *,
        start: Mapping[str, Any],
        choices: Choices,
        context: Mapping[str, Any],
        data: Any = None,
    ) -> None:
        super().__init__(data=data)
        self._serializer = serializer
        self._context = dict(context)
        self._choices = choices
        self._rows: dict[str, int] = {}  # of each list
        self._given: dict[str, list[int]] = {}  # the rows of each list that are filled in
        self._add(serializer(context=self._context), start)

    def _add(
        self, parent: Any, start: Mapping[str, Any], path: str = "", *, required: bool = True
    ) -> None:
        for name, each in parent.fields.items():
            where, given = f"{path}{name}", start.get(name)
            if isinstance(each, serializers.Serializer):
                self._add(each, given or {}, f"{where}.", required=required and each.required)
            elif _is_table(each):
                rows = list(given or [])
                rows += [{}] * max(BLANK_ROWS, self._sent_rows(where, each) - len(rows))
                self._rows[where] = len(rows)
                for number, row in enumerate(rows):
                    self._add(each.child, row, f"{where}[{number}].", required=False)
            else:
                self.fields[where] = forms.Field(
                    required=False,
                    label=label(where),
                    help_text=hint(where),
                    initial=_initial(each, given),
                    widget=self._widget(name, each, required=required and each.required),
                )

    def _sent_rows(self, where: str, each: Any) -> int:
        """Return the number of submitted rows, which may be larger than the number of rows now."""
        row = re.compile(rf"{re.escape(where)}\[(\d{{1,4}})\]")
        numbers = (int(found[1]) + 1 for found in map(row.match, self.data) if found)
        return int(min(max(numbers, default=0), each.max_length))

    def _widget(self, name: str, each: Any, *, required: bool) -> Any:
        given = {"required": True} if required else {}
        options = self._choices.get(name)
        if options is None and isinstance(each, serializers.ChoiceField):
            options = [(key, words(str(label))) for key, label in each.choices.items()]
        if options is not None:
            return widgets.UnfoldAdminSelectWidget(given, choices=[("", "—"), *options])
        if isinstance(each, serializers.BooleanField):
            return widgets.UnfoldBooleanWidget()
        if isinstance(each, Metadata):
            return widgets.UnfoldAdminTextareaWidget({"rows": 3})
        if isinstance(each, serializers.IntegerField):
            bounds = {"min": each.min_value, "max": each.max_value}
            return widgets.UnfoldAdminIntegerFieldWidget(given | bounds)
        is_text = isinstance(each, serializers.CharField)
        attrs = given | {"maxlength": each.max_length if is_text else None}
        return widgets.UnfoldAdminTextInputWidget(attrs)

    def clean(self) -> dict[str, Any]:
        """Return the validated data of the serializer: the arguments of the service."""
        tree = self._serializer(context=self._context)
        body = self._serializer(data=self._read(tree, ""), context=self._context)
        if body.is_valid():
            return dict(body.validated_data)
        for path, message in problems.messages(body.errors):
            place = self._place(path)
            if place in self.fields:
                self.add_error(place, message)
            else:
                self.add_error(None, f"{label(place)}: {message}" if place else message)
        return {}

    def _place(self, path: str) -> str:
        """Return the field of an error: the serializer does not count rows that are left out."""
        in_list = re.fullmatch(r"(.+)\[(\d+)\](.*)", path)
        if not in_list:
            return path
        where, number, rest = in_list.groups()
        if where not in self._given:
            return where  # a list of texts, which is one field
        return f"{where}[{self._given[where][int(number)]}]{rest}"

    def _read(self, parent: Any, path: str) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for name, each in parent.fields.items():
            where = f"{path}{name}"
            value: Any
            if isinstance(each, serializers.Serializer):
                value = self._read(each, f"{where}.")
                if not any(value.values()):
                    continue
            elif _is_table(each):
                rows = [self._read(each.child, f"{where}[{n}].") for n in range(self._rows[where])]
                by_itself = self._choices.keys() | _boxes(each.child)
                given = {n: row for n, row in enumerate(rows) if row.keys() - by_itself}
                self._given[where], value = list(given), list(given.values())
                if not value and not each.required:
                    continue
            elif isinstance(each, serializers.BooleanField):
                value = where in self.data
            else:
                value = self.data.get(where, "").strip()
                if not value:
                    continue
                if isinstance(each, Metadata):
                    value = _entries(value)
                elif isinstance(each, serializers.ListField):
                    value = value.split()
            read[name] = value
        return read

    def sections(self) -> list[Section]:
        """Return the fields in their sections."""
        own = Section("")
        return [own, *self._sections(self._serializer(context=self._context), "", own)]

    def _sections(self, parent: Any, path: str, own: Section) -> Iterator[Section]:
        for name, each in parent.fields.items():
            where = f"{path}{name}"
            if isinstance(each, serializers.Serializer):
                section = Section(label(name))
                inner = list(self._sections(each, f"{where}.", section))
                yield from [section, *inner]
            elif _is_table(each):
                child: Any = each.child
                prefixes = (f"{where}[{number}]." for number in range(self._rows[where]))
                yield Section(
                    label(name),
                    [[self[f"{prefix}{name}"] for name in child.fields] for prefix in prefixes],
                    is_list=True,
                )
            else:
                own.rows.append([self[where]])


def _is_table(each: Any) -> bool:
    """Return whether it is a list of rows; a list of texts is one field, with blanks between."""
    return isinstance(each, serializers.ListField) and isinstance(
        each.child, serializers.Serializer
    )


def _entries(text: str) -> dict[str, str]:
    """Return the metadata in a text with an entry on each line."""
    entries = (line.partition(":") for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in entries}


def _initial(each: Any, given: Any) -> Any:
    if isinstance(each, Metadata):
        return "\n".join(f"{name}: {value}" for name, value in (given or {}).items())
    if given is not None:
        return given
    default = each.default
    return None if default is serializers.empty or callable(default) else default


def _boxes(parent: Any) -> set[str]:
    fields = parent.fields.items()
    return {name for name, each in fields if isinstance(each, serializers.BooleanField)}
