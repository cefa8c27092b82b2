"""SMPP 3.4: the session as bytes in and events out, for ussd, sms and carrier."""
