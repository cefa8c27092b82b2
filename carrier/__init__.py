"""The other side in a box: an SMSC, a USSD network, an Asterisk and a handset, with faults."""
