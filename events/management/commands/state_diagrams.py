from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from events.aggregate import Aggregate, Transition, aggregates
from events.schema import Event

PAGE = """\
# States: {title}

Made by `manage.py state_diagrams` from the transition table. Events in parentheses are internal:
they are in the log, and never sent.

```mermaid
stateDiagram-v2
{arrows}
```

What is in bold, a client may ask for: these are the names that `allowed_actions` lists.

| transition | why | from | to | event | needs that |
|---|---|---|---|---|---|
{rows}
"""


class Command(BaseCommand):
    help = "Write a page about the states of each aggregate, from its transition table."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say which pages are stale")
        parser.add_argument("--to", type=Path, default=settings.BASE_DIR / "docs" / "states")

    def handle(self, *args: Any, check: bool, to: Path, **options: Any) -> None:
        pages = {to / f"{model._meta.app_label}.md": page(model) for model in aggregates()}
        found = {path: path.read_text() for path in to.glob("*.md")}
        stale = sorted(path for path in pages | found if pages.get(path) != found.get(path))
        if check and stale:
            names = ", ".join(path.name for path in stale)
            raise CommandError(
                f"Not as the transitions are: {names}. Run manage.py state_diagrams."
            )
        to.mkdir(parents=True, exist_ok=True)
        for path in stale:
            if path in pages:
                path.write_text(pages[path])
            else:
                path.unlink()


def page(model: type[Aggregate]) -> str:
    """Return an aggregate's diagram and, below it, its transition table, as Markdown."""
    return PAGE.format(
        title=model._meta.verbose_name_plural,
        arrows="\n".join(f"    {arrow}" for arrow in _arrows(model)),
        rows="\n".join(_row(model, transition) for transition in model.transitions()),
    )


def _arrows(model: type[Aggregate]) -> Iterator[str]:
    """What stays where it is, is in the table only: loops would hide the way."""
    moves: dict[tuple[str, str], dict[str, list[str]]] = {}
    for transition in model.transitions():
        for source in transition.source:
            if transition.target not in (None, source):
                told = moves.setdefault((source, str(transition.target)), {})
                names = told.setdefault(_event(transition.emits), [])
                names.append(transition.verb or transition.name)
    yield f"[*] --> {_status(model).default}: {_event(model.created_event)}"
    for (source, target), told in moves.items():
        labels = (f"{', '.join(names)}<br/>{event}" for event, names in told.items())
        yield f"{source} --> {target}: {'<br/>'.join(labels)}"
    for status, _ in _status(model).choices:
        if status not in {source for source, _ in moves}:
            yield f"{status} --> [*]"


def _row(model: type[Aggregate], transition: Transition) -> str:
    everywhere = len(transition.source) == len(_status(model).choices)
    cells = [
        f"**{transition.verb}**" if transition.verb else transition.name,
        getattr(model, transition.name).__doc__,
        "any" if everywhere else ", ".join(transition.source),
        transition.target or "the same",
        _event(transition.emits),
        "; ".join(guard.__doc__ or "" for guard in transition.guards),
    ]
    return f"| {' | '.join(cells)} |"


def _status(model: Any) -> Any:
    return model._meta.get_field("status")


def _event(fact: type[Event]) -> str:
    return fact.name if fact.published else f"({fact.name})"
