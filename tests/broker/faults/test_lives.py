"""Many random lives of orders, with faults; see `tests/flows/lives`."""

import secrets

import pytest

from tests.flows.lives.run import prove

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_lives(request, node, capsys):
    seed, life = request.config.getoption("--seed"), request.config.getoption("--life")
    seed = secrets.randbits(32) if seed is None else seed
    count = request.config.getoption("--lives")
    with capsys.disabled():
        write = request.config.get_terminal_writer().line
        write(f"\n--lives={count} --seed={seed}")
        run = prove([life] if life else range(1, count + 1), seed=seed)
        write(run.figures())
    assert not run.findings, run.report()
