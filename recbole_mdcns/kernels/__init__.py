"""What is only there to be fast; each has its plain form in a test."""
