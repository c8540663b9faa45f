"""Cash and transfers: nobody can be asked, an operator records what has happened."""

from payments.gateways import Asked, AskedBack, Charge, Payout


class Manual:
    """Waits for an operator."""

    def attempt(self, asked: Asked) -> Charge:
        return Charge(state="waiting")

    def look(self, asked: Asked) -> Charge:
        return Charge(state="waiting")

    def cancel(self, asked: Asked) -> Charge:
        return Charge(state="cancelled")

    def refund(self, asked: AskedBack) -> Payout:
        return Payout(state="pending")
