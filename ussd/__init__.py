"""The USSD edge."""
