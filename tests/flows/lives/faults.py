"""Faults during the lives: workers are killed, and connections to the broker are cut."""

import os
import signal
import time
from collections import Counter
from random import Random

from tests.broker.faults.deployment import Deployment
from tests.broker.faults.proxy import Proxy


class Breaker:
    """Injects a fault, and ends it after some seconds; `injected` counts them."""

    def __init__(self, deployment: Deployment, wire: Proxy, dice: Random) -> None:
        self.deployment, self.wire, self.dice = deployment, wire, dice
        self.injected = Counter[str]()

    def inject(self) -> None:
        faults = {
            "worker killed": self._kill_a_worker,
            "child of a worker killed": self._kill_a_child,
            "broker cut off": self._cut_the_broker_off,
        }
        name = self.dice.choice(sorted(faults))
        faults[name](self.dice.uniform(0.2, 2))
        self.injected[name] += 1

    def _kill_a_worker(self, seconds: float) -> None:
        os.killpg(self.deployment.workers.pop(0).pid, signal.SIGKILL)
        time.sleep(seconds)  # the fault lasts
        self.deployment.worker()

    def _kill_a_child(self, seconds: float) -> None:
        if children := self.deployment.children(self.deployment.workers[0]):
            os.kill(children[0], signal.SIGKILL)

    def _cut_the_broker_off(self, seconds: float) -> None:
        self.wire.close()
        time.sleep(seconds)  # the fault lasts
        self.wire.open()
