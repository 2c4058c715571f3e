"""Damage as disks, networks and people do it: bytes in, bytes out, all chance from a generator that is passed in."""

import random
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ODD_TEXTS = (
    b'"',
    b",",
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b"NA",
    b"1e3",
    b"-",
    b"0",
    b"\xef\xbb\xbf",
    b"\xff",
    b"id,label\r\n",
)


def mutate(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Flip up to eight bits, overwrite, cut, drop, double or swap pieces, or go on with the rest of `other`."""
    start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    if chance.random() < 0.5:
        end = min(end, start + chance.randrange(1, 9))
    before, piece, after = data[:start], data[start:end], data[end:]
    kind = chance.choice(("flip", "flip", "flip", "overwrite", "cut", "drop", "double", "swap", "splice"))
    if kind == "flip":
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(damaged)
    noise = chance.choice((bytes(len(piece)), b"\xff" * len(piece), chance.randbytes(len(piece))))
    return {
        "overwrite": before + noise + after,
        "cut": before,
        "drop": before + after,
        "double": before + piece + piece + after,
        "swap": piece + before + after,
        "splice": before + other[start:],
    }[kind]  # fmt: skip


def mutate_text(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The same, or what a spreadsheet or a merge leaves in a table."""
    if chance.random() < 0.5:
        return mutate(data, other, chance)
    lines = data.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    kind = chance.choice(("insert", "insert", "double", "drop", "swap", "ends"))
    if kind == "insert":
        place = chance.randrange(len(data) + 1)
        return data[:place] + chance.choice(ODD_TEXTS) + data[place:]
    if kind == "ends":
        return data.replace(b"\r\n", chance.choice((b"\n", b"\r", b"\n\r", b"\r\r\n")))
    changed = {"double": lines[: at + 1] + lines[at:], "drop": lines[:at] + lines[at + 1 :]}
    return b"".join(changed.get(kind, lines[at:] + lines[:at]))


def mutate_png(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The same, or chunks doubled, dropped, swapped and damaged below checksums set right again."""
    if chance.random() < 0.5:
        return mutate(data, other, chance)
    chunks, others = split_chunks(data), split_chunks(other)
    at, to = chance.randrange(len(chunks)), chance.randrange(len(chunks))
    kind, body = chunks[at]
    what = chance.choice(("body", "body", "lines", "lines", "double", "drop", "swap", "exchange", "kind"))
    if what == "body" and body:
        chunks[at] = kind, mutate(body, body, chance)
    elif what == "lines":
        packed = next(index for index, (name, _) in enumerate(chunks) if name == b"IDAT")
        lines = mutate(zlib.decompress(chunks[packed][1]), bytes(4000), chance)
        chunks[packed] = b"IDAT", zlib.compress(lines, chance.choice((0, 6)))
    elif what == "double":
        chunks.insert(to, chunks[at])
    elif what == "drop":
        del chunks[at]
    elif what == "swap":
        chunks[at], chunks[to] = chunks[to], chunks[at]
    elif what == "exchange":
        chunks[at] = chance.choice(others)
    else:
        chunks[at] = chance.choice((b"IDAT", b"PLTE", b"tRNS", b"acTL", b"zTXt", b"iCCP", b"IEND", b"ABCD")), body
    return join_chunks(chunks)


def split_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and body of every chunk of a whole PNG."""
    chunks, start = [], len(SIGNATURE)
    while start < len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        chunks.append((data[start + 4 : start + 8], data[start + 8 : end - 4]))
        start = end
    return chunks


def join_chunks(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of chunks, with the right length and checksum for each."""
    parts = [
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") for kind, body in chunks
    ]
    return SIGNATURE + b"".join(parts)
