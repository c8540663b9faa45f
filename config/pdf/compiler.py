"""Compiles Typst templates to PDFs, each alone in a process that may do nothing else.

`config.pdf.rendering` runs it as `python -I -S compiler.py SITE_PACKAGES`, without the project. It
loads the fonts, and forks for each request: a line of JSON on the standard input. The response is a
line with the exit code and the size, and then the PDF, or the error.
"""

import json
import os
import resource
import signal
import sys
import traceback
from datetime import datetime
from typing import Any

ADDRESS_SPACE = 1 << 30  # bytes; 500 lines of all scripts need 430 MB
# The service reads all of a response into its memory.
MAX_PDF = 32 << 20  # bytes
MAX_ERROR = 10_000  # characters
MAX_WAIT = 120  # seconds; less than the lease of a document, and enough on a busy machine
CRASHED = 2  # the exit code if neither Typst nor the template is at fault


def main() -> None:
    """Answer requests until the standard input ends."""
    sys.path.append(sys.argv[1])
    import typst

    loaded, fonts = None, None
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if request["fonts"] != loaded:
            loaded = request["fonts"]
            fonts = typst.Fonts(
                include_system_fonts=False,
                include_embedded_fonts=False,
                font_paths=[folder for folder, _ in loaded],
            )
        code, output = _in_a_process(request, fonts)
        sys.stdout.buffer.write(b"%d %d\n" % (code, len(output)))
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()


def _in_a_process(request: dict[str, Any], fonts: Any) -> tuple[int, bytes]:
    """Return the exit code of a process that compiles the template, and what it wrote."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        code = CRASHED
        try:
            code = _compile(request, fonts, write)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(write)
    with open(read, "rb") as pipe:
        output = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output


def _compile(request: dict[str, Any], fonts: Any, write: int) -> int:
    import typst

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (request["timeout"], request["timeout"]))
    signal.alarm(MAX_WAIT)  # it kills the process
    os.chdir(request["root"])  # errors name files from here
    with open(write, "wb") as pipe:
        compiler = typst.Compiler(
            request["template"],
            root=request["root"],
            font_paths=fonts,
            package_path=request["root"],
            package_cache_path=request["root"],
        )
        try:
            pdf = compiler.compile(
                format="pdf",
                # Without PDF/A, Typst prints a box for a character that is in no font.
                pdf_standards="a-3b",
                sys_inputs={"data": json.dumps(request["data"])},
                timestamp=datetime.fromisoformat(request["data"]["created_at"]),
            )
        except typst.TypstError as error:
            pipe.write(error.diagnostic[:MAX_ERROR].encode())
            return 1
        assert isinstance(pdf, bytes)
        if len(pdf) > MAX_PDF:
            pipe.write(b"error: the PDF is larger than 32 MB")
            return 1
        pipe.write(pdf)
        return 0


if __name__ == "__main__":
    main()
