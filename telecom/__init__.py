"""What phones and networks share: MSISDNs, service codes, alphabets, channels."""
