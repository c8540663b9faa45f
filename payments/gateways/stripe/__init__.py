"""Payments through Stripe: one PaymentIntent a payment, on the organization's own account."""
