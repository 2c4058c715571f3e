"""A finished run and everything that people, networks and disks do to its files: named cases, by kind."""

from bad_inputs import archives, images, products, settings, tables
from bad_inputs.case import Case

KINDS = {
    "image": images.CASES,
    "table": tables.CASES,
    "archive": archives.CASES,
    "setting": settings.CASES,
    "product": products.CASES,
}
CASES: dict[str, Case] = {f"{kind}: {name}": case for kind, cases in KINDS.items() for name, case in cases.items()}
