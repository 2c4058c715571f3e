"""The prepared arrays, and batches of them."""
