"""Persian: digits, letters, Jalali dates, numbers as words."""
