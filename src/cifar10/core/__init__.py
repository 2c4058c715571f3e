"""What all five stages stand on."""
