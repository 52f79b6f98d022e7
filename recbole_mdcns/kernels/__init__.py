"""Fast forms of plain formulas; each is compared with its plain form in a test."""
