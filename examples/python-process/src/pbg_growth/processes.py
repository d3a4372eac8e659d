"""The process and the rule that it follows."""

import math

from process_bigraph import Process


def growth(population: float, rate: float, interval: float) -> float:
    """How many are added to ``population`` in ``interval``, at ``rate`` per unit of time."""
    return population * math.expm1(rate * interval)


class Growth(Process):
    """A population that grows by the same share in the same time."""

    config_schema = {"rate": {"_type": "float", "_default": 0.1}}

    def inputs(self):
        return {"population": "float"}

    def outputs(self):
        return {"population": "float"}

    def update(self, state, interval):
        return {"population": growth(state["population"], self.config["rate"], interval)}
