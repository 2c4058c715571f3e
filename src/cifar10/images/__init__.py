"""Encoded images and archives of them."""
