"""What is wrong with this machine or checkout, and what repairs it."""
