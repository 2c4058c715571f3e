"""What people type; no stage needs any of it."""
