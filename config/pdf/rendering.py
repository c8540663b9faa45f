"""Renders documents from Typst templates, each in a process of its own."""

import atexit
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from pypdf import PdfReader, PdfWriter

from config.core.exceptions import DomainError
from config.pdf.examples import example
from config.pdf.models import Template

HERE = Path(__file__).resolve().parent
COMPILER = HERE / "compiler.py"
TEMPLATES = HERE / "templates"
FONTS = HERE / "fonts"
TIMEOUT = 20  # seconds of CPU time
ENVIRONMENT = {
    "RAYON_NUM_THREADS": "1",  # a document costs one processor, and less address space
    # A template that imports a package fails: Typst would download it.
    "HTTPS_PROXY": "http://127.0.0.1:9",
}
# Typst prints no control characters: they become spaces. Those that set a direction could make a
# text read as another one: they are left out.
CONTROLS = dict.fromkeys([*range(0x0A), *range(0x0B, 0x20), *range(0x7F, 0xA0)], " ")
INVISIBLE = CONTROLS | dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
# A process of the compiler that waits for a request; it has loaded the fonts.
_idle: list[subprocess.Popen[bytes]] = []
_MISSING = re.compile(r'the text `"(.+?)"` could not be displayed')
_ESCAPE = re.compile(r"\\u\{([0-9a-f]+)\}")


class NotPrintable(DomainError):
    """The document cannot be printed: a character of a text is in no font of the service, or the
    template of the document is faulty. `detail` says which.
    """

    code = "not_printable"
    example = "“\ue000” (U+E000) in lines[2].title is in no font. Add one to DOCUMENT_FONTS."


def render(template: str, data: Mapping[str, Any], *, organization_id: str) -> bytes:
    """Return the PDF/A of a template with this data. The same data gives the same bytes.

    `data` has `created_at`, in ISO 8601. Texts in it are never markup. Raises NotPrintable.
    """
    uploaded = Template.objects.filter(organization_id=organization_id, document=template)
    source = uploaded.values_list("source", flat=True).first()
    return _render(template, source, data, organization_id)


def try_out(template: str, source: str, *, organization_id: str) -> bytes:
    """Return the example of a document, printed by a template that may not be stored yet.

    Raises NotPrintable, also if an electronic invoice gets lost.
    """
    data = example(template)
    pdf = _render(template, source, data, organization_id)
    if "xml" in data:
        if "factur-x.xml" not in PdfReader(BytesIO(pdf)).attachments:
            raise NotPrintable(
                f"{template}.typ does not attach the electronic invoice: add `#attach-xml()`."
            )
        without = {name: value for name, value in data.items() if name != "xml"}
        _render(template, source, without, organization_id)
    return pdf


def _render(
    template: str, source: str | None, data: Mapping[str, Any], organization_id: str
) -> bytes:
    with TemporaryDirectory() as root:
        for file in _templates(organization_id):
            copyfile(file, Path(root, file.name))
        path = Path(root, f"{template}.typ")
        if source is not None:
            path.write_text(source, encoding="utf-8")
        return _compile(path, _clean(data))


def together(pdfs: Iterable[bytes]) -> bytes:
    """Return several documents as one PDF, to print them at once. It is no PDF/A."""
    writer, out = PdfWriter(), BytesIO()
    for pdf in pdfs:
        writer.append(BytesIO(pdf), import_outline=False)
    writer.write(out)
    return out.getvalue()


def _compile(template: Path, data: Mapping[str, Any]) -> bytes:
    code, output = _run(
        {
            "template": str(template),
            "root": str(template.parent),
            # The time of the folder's last change, so that the compiler notices an added font.
            "fonts": [(str(folder), folder.stat().st_mtime_ns) for folder in _font_folders()],
            "timeout": TIMEOUT,
            "data": data,
        }
    )
    if code == 0:
        return output
    if code < 0:  # killed by a limit of the compiler
        raise NotPrintable(
            f"{template.name} was stopped: it needs more than {TIMEOUT} seconds of CPU time, "
            "or 1 GB of memory."
        )
    if code > 1:
        raise RuntimeError(f"The compiler failed with {template.name}: the log has a traceback.")
    diagnostic = output.decode(errors="replace")
    missing = "".join(_MISSING.findall(diagnostic))
    if characters := _ESCAPE.sub(lambda code: chr(int(code[1], 16)), missing):
        raise NotPrintable(_where(characters, data))
    raise NotPrintable(f"{template.name} is faulty: {diagnostic.strip()[:400]}")


def _run(request: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return the exit code of the process that compiles the document, and what it wrote."""
    compiler = _compiler()
    assert compiler.stdin
    assert compiler.stdout
    try:
        compiler.stdin.write(json.dumps(request).encode() + b"\n")
        compiler.stdin.flush()
        if not (head := compiler.stdout.readline()):
            raise BrokenPipeError(f"The compiler of documents, process {compiler.pid}, has ended.")
        code, size = map(int, head.split())
        output = compiler.stdout.read(size)
    except BaseException:  # a later request must not get this one's response
        compiler.kill()
        compiler.communicate()
        raise
    if _idle:  # several threads needed one
        compiler.communicate()
    else:
        _idle.append(compiler)
    return code, output


def _compiler() -> "subprocess.Popen[bytes]":
    """Return a process of the compiler that no other thread uses."""
    try:
        while (compiler := _idle.pop()).poll() is not None:
            compiler.communicate()
    except IndexError:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(COMPILER), str(_site_packages())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd=HERE,
            process_group=0,  # Ctrl+C does not reach it: it ends with its standard input
        )
    return compiler


@atexit.register
def _stop_compilers() -> None:
    while _idle:
        _idle.pop().communicate()


def _leave_compilers() -> None:
    """Close the pipes to the compilers of the process that forked this one: it still uses them."""
    while _idle:
        compiler = _idle.pop()
        assert compiler.stdin
        assert compiler.stdout
        compiler.stdin.close()
        compiler.stdout.close()
        compiler.returncode = 0  # there is nothing to wait for: it is not a child of this process


os.register_at_fork(after_in_child=_leave_compilers)


def _font_folders() -> list[Path]:
    return [FONTS, *([Path(settings.DOCUMENT_FONTS)] if settings.DOCUMENT_FONTS else [])]


def _where(characters: str, data: Mapping[str, Any]) -> str:
    """Say which of the characters that are in no font is in which field."""
    for path, text in _texts(data):
        for character in text:
            if character in characters and not character.isspace():
                return (
                    f"“{character}” (U+{ord(character):04X}) in {path} is in no font. "
                    "Add one to DOCUMENT_FONTS."
                )
    return f"“{characters}” is in no font, and in the template itself."


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in the data with its path: `lines[2].title`."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _texts(each, f"{path}[{index}]")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(INVISIBLE)
    if isinstance(value, Mapping):
        return {name: _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value


def _templates(organization_id: str) -> Iterator[Path]:
    """Yield the templates; later ones replace earlier ones of the same name."""
    folders = [TEMPLATES]
    if settings.DOCUMENT_TEMPLATES:
        own = Path(settings.DOCUMENT_TEMPLATES)
        # Looked up, not joined, because the id of an organization could be a path.
        folders += [own, *(each for each in own.iterdir() if each.name == organization_id)]
    for folder in folders:
        yield from folder.glob("*.typ")


def _site_packages() -> Path:
    """Return the folder of the compiler's package, which is not imported in this process."""
    spec = find_spec("typst")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent.parent
