"""What `prepare` makes of images and labels: split, duplicates, data card."""
