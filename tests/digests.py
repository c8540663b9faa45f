"""Pins the images of Dockerfile and compose.yaml by digest: `make digests`.

Exits with 1 if an image does not exist. Where no registry can be asked, it says so and exits with
0, so that a check without the network passes.
"""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

IMAGE = re.compile(r"(?P<start>FROM |image: )(?P<pin>(?P<name>[\w./-]+:[\w.-]+)(@sha256:\w+)?)")


@cache
def digest_of(image: str) -> str:
    """Return the digest from the image's registry; raise LookupError if there is no such image."""
    command = ["docker", "buildx", "imagetools", "inspect", image]
    run = subprocess.run(command, capture_output=True, text=True)
    if found := re.search(r"^Digest: +(sha256:\w{64})$", run.stdout, re.M):
        return found[1]
    if re.search(r": not found$|manifest unknown|pull access denied", run.stderr, re.M):
        raise LookupError(image)
    raise OSError(run.stderr.partition("\n")[0])


def pin(root: Path, upgrade: bool) -> tuple[int, str]:
    """Write the digests into the files; return the exit code and what to say.

    A digest that is there already stays, unless newer ones are wanted.
    """

    def pinned(image: re.Match[str]) -> str:
        digest = digest_of(image["name" if upgrade else "pin"])
        return f"{image['start']}{image['name']}@{digest}"

    try:
        for file in (root / "Dockerfile", root / "compose.yaml"):
            file.write_text(IMAGE.sub(pinned, file.read_text()))
    except LookupError as error:
        return 1, f"{file.name}: there is no image {error.args[0]}."
    except OSError as error:
        return 0, f"NOT PINNED: no registry can be asked ({error})."
    return 0, "All images exist and are pinned. If this has changed a file, commit it."


if __name__ == "__main__":
    code, message = pin(Path(__file__).parent.parent, "--upgrade" in sys.argv)
    sys.stdout.write(f"{message}\n")
    sys.exit(code)
