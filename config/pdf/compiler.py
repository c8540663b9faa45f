"""Compiles a Typst template to a PDF, alone in a process that may do nothing else.

`config.pdf.rendering` runs it as `python -I -S compiler.py`, without the project, with the request
as JSON on the standard input. The PDF goes to the standard output, an error to the standard error.
"""

import json
import resource
import sys
from datetime import datetime

ADDRESS_SPACE = 1 << 30  # bytes; 500 lines of all scripts need 430 MB


def main() -> None:
    """Compile the template that the request names."""
    request = json.load(sys.stdin.buffer)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CPU, (request["timeout"], request["timeout"]))
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    sys.path.append(request["site_packages"])
    import typst

    compiler = typst.Compiler(
        request["template"],
        root=request["root"],
        font_paths=typst.Fonts(
            include_system_fonts=False,
            include_embedded_fonts=False,
            font_paths=request["fonts"],
        ),
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
        sys.exit(error.diagnostic)
    assert isinstance(pdf, bytes)
    sys.stdout.buffer.write(pdf)


if __name__ == "__main__":
    main()
