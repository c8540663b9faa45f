"""What is deducted from a refund."""

from dataclasses import dataclass
from decimal import Decimal

from config.core.money import money


@dataclass(frozen=True, kw_only=True)
class Deductions:
    """The terms on which a return is approved."""

    restocking_fee: Decimal  # a fraction: 0.15 is 15 %
    postage: Decimal  # zero if the seller pays it
    currency: str

    def max_refund(self, value: Decimal) -> Decimal:
        """Return the refund for units of this value, less the fee and the postage; at least 0."""
        fee = money(value * self.restocking_fee, self.currency)
        return max(value - fee - self.postage, Decimal(0))
