"""The report: one page that needs no network and no other file, and explains a run to a stranger."""
