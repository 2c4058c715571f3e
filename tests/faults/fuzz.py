"""Thousands of damaged files through the real readers: `python tests/faults/fuzz.py --count 10000`.

Each is refused with the one line of an InputError, or what is read of it is held against a second opinion: pixels
against Pillow's and every chunk's checksum, a table against a plain strict parse, a model file and an archive against
what they were before. The readers work in a process of their own, so that its death is seen, and counted as a crash.
"""

import argparse
import gc
import io
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mutations import SIGNATURE, mutate, mutate_png, mutate_text
from PIL import Image

from cifar10.core.config import InputError
from cifar10.core.tables import read_table
from cifar10.images.archives import open_images
from cifar10.images.codec import decode_images, encode_png
from cifar10.images.seven_zip import write_7z

REFUSED, ACCEPTED = "refused", "accepted"  # any other outcome is a finding
Trial = Callable[[random.Random], str]


def png_trial(folder: Path) -> Trial:
    """Images of every mode through `decode_images`."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    smooth = np.kron(pixels[:, :4, :4], np.ones((8, 8, 1), np.uint8))
    whole = [encode_png(image.transpose(2, 0, 1)) for image in (*pixels, *smooth)]
    for mode in ("1", "L", "LA", "P", "RGBA"):
        whole.append(_encode(Image.fromarray(smooth[0]).convert(mode)))
    whole.append(_encode(Image.fromarray(smooth[0, :, :, 0].astype(np.uint16) << 8 | 7)))
    whole.append(_encode(Image.fromarray(pixels[0]), compress_level=0))

    def trial(chance: random.Random) -> str:
        data = mutate_png(chance.choice(whole), chance.choice(whole), chance)
        found = decode_images([("train/1.png", data)])[0]
        if not checksums_are_right(data):
            return "a wrong checksum was passed over"
        is_pillows = any(np.array_equal(found, pixels) for pixels in pillow_pixels(data))
        return ACCEPTED if is_pillows else "other pixels than Pillow's"

    return trial


def _encode(image: Image.Image, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def checksums_are_right(data: bytes) -> bool:
    """Whether every chunk of a PNG up to its end has its CRC-32."""
    start = len(SIGNATURE)
    while data[start + 4 : start + 8] != b"IEND":
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        if len(data) <= end or zlib.crc32(data[start + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        start = end + 4
    return True


def pillow_pixels(data: bytes) -> list[np.ndarray]:
    """UInt8 [3 32 32]: what Pillow by itself makes of an image; 16-bit grey at each depth, alpha over each ground."""
    with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
        warnings.simplefilter("ignore")  # of a palette's odd transparency
        if image.mode.startswith("I"):
            return [np.stack([(np.asarray(image) >> shift).astype(np.uint8)] * 3) for shift in (0, 2, 4, 6, 8)]
        shown = image.convert("RGBA")
        grounds = [Image.new("RGBA", image.size, (grey, grey, grey, 255)) for grey in (0, 128, 255)]
        laid_over = [np.asarray(Image.alpha_composite(ground, shown).convert("RGB")) for ground in grounds]
        return [pixels.transpose(2, 0, 1) for pixels in laid_over]


def csv_trial(folder: Path) -> Trial:
    """Label tables through `read_table`."""
    names = ("frog", "truck", "cat", "NA")
    rows = [f"{i},{names[i % 4]}" for i in range(1, 41)]
    crlf = "\r\n".join(["id,label", *rows, ""]).encode()
    quoted = '"id","label"\n' + "".join(f'"{row.replace(",", chr(34) + "," + chr(34))}"\n' for row in rows)
    whole, path = [crlf, crlf.replace(b"\r\n", b"\n"), b"\xef\xbb\xbf" + crlf, quoted.encode()], folder / "labels.csv"

    def trial(chance: random.Random) -> str:
        data = mutate_text(chance.choice(whole), chance.choice(whole), chance)
        path.write_bytes(data)
        table = read_table(path)
        found = list(zip(table["id"].tolist(), table["label"].tolist(), strict=True))
        return ACCEPTED if found == strict_rows(data) else "other rows than a strict parse"

    return trial


_ROW = re.compile(r'("(?:[^"]|"")*"|[^,]*),("(?:[^"]|"")*"|[^,]*)')


def strict_rows(data: bytes) -> list[tuple[int, str]] | None:
    """Ids and labels of a table, or None where anything in it is out of order; quotes may stand around a field."""
    lines = data.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n").split("\n")
    found = [_ROW.fullmatch(line) for line in lines]
    rows = [(_unquote(match[1]), _unquote(match[2])) if match else ("", "") for match in found]
    if rows.pop(0) != ("id", "label") or not all(number.isdecimal() and label for number, label in rows):
        return None
    ids = [row[0] for row in rows]
    is_plain = all(str(int(number)) == number for number in ids) and len(set(ids)) == len(ids)
    return [(int(row[0]), row[1]) for row in rows] if is_plain else None


def _unquote(field: str) -> str:
    inner = field[1:-1] if len(field) > 1 and field[0] == field[-1] == '"' else field
    return inner.replace('""', '"')


def checkpoint_trial(folder: Path) -> Trial:
    """Model files through `load_model`; a third of them with a checksum that was set right again."""
    import torch  # here: the other children should not take its seconds

    from cifar10.models import ModelConfig, build_model
    from cifar10.models.checkpoint import TrainedModel, is_sealed, load_model, save_model, seal

    torch.set_num_threads(1)
    options = {key: None for key in ModelConfig.model_fields if key != "name"}
    config, path = ModelConfig.model_validate({"name": "lenet", **options}), folder / "model.pt"
    whole = []
    for seed in range(2):
        torch.manual_seed(seed)
        save_model(path, TrainedModel(build_model(config, 3), config, ["a", "b", "c"], [0.5] * 3, [0.2] * 3))
        whole.append(path.read_bytes())

    def trial(chance: random.Random) -> str:
        data, other = chance.sample(whole, k=2)
        if chance.random() < 1 / 3:
            archive = data[:-66] + bytes(2)  # without the comment
            path.write_bytes(seal(mutate(archive, other, chance) + bytes(2)))
            load_model(path)  # nothing can tell: it must only not break
            return ACCEPTED
        damaged = mutate(data, other, chance)
        path.write_bytes(damaged)
        load_model(path)
        return ACCEPTED if damaged in whole and is_sealed(damaged) else "a wrong sha256 was passed over"

    return trial


def archive_trial(folder: Path) -> Trial:
    """7z archives through `open_images`, every member read."""
    images = {
        i: encode_png(np.random.default_rng(i).integers(0, 256, (3, 32, 32), dtype=np.uint8)) for i in range(1, 9)
    }
    whole, path = [], folder / "train.7z"
    for compress in (True, False):
        write_7z(path, ((f"train/{i}.png", data) for i, data in images.items()), compress)
        whole.append(path.read_bytes())

    def trial(chance: random.Random) -> str:
        path.write_bytes(mutate(chance.choice(whole), chance.choice(whole), chance))
        with open_images(path).read() as members:
            found = {member.id: data for member, data in members}
        return ACCEPTED if found == images else "other images than were packed"

    return trial


TRIALS = {"png": png_trial, "csv": csv_trial, "checkpoint": checkpoint_trial, "archive": archive_trial}


def outcome(trial: Trial, chance: random.Random) -> str:
    """One trial in one word or line."""
    try:
        return trial(chance)
    except InputError as error:
        return REFUSED if "\n" not in str(error) else "more than one line"
    except Exception as error:  # the finding
        return f"raised {type(error).__name__}: {' '.join(str(error).split())[:100]}"


def work(kind: str, first: int, count: int, seed: int) -> None:
    """The child: print each trial's outcome on a line of its own."""
    with tempfile.TemporaryDirectory() as folder:
        trial = TRIALS[kind](Path(folder))
        gc.freeze()  # reading an archive's header collects garbage: not among all that the libraries made
        for number in range(first, count):
            print(outcome(trial, random.Random(f"{kind} {seed} {number}")), flush=True)


def fuzz(kind: str, count: int, seed: int = 0) -> Counter[str]:
    """How often each outcome occurred in `count` trials. A child that dies is a crash, and another one goes on."""
    outcomes: Counter[str] = Counter()
    while (done := outcomes.total()) < count:
        command = [sys.executable, __file__, "--work", kind, "--first", str(done), "--count", str(count)]
        child = subprocess.run([*command, "--seed", str(seed)], stdout=subprocess.PIPE, text=True, check=False)
        outcomes.update(child.stdout.splitlines())
        if child.returncode:
            outcomes[f"crash (exit code {child.returncode}) at {kind} {seed} {outcomes.total()}"] += 1
    return outcomes


def main(arguments: list[str] | None = None) -> dict[str, dict[str, int]]:
    """Print and return the outcomes of every kind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--kinds", nargs="+", choices=TRIALS, default=list(TRIALS))
    parser.add_argument("--count", type=int, default=10_000, help="damaged files of each kind (10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", choices=TRIALS, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        work(options.work, options.first, options.count, options.seed)
        return {}
    results: dict[str, dict[str, int]] = {}
    for kind in options.kinds:
        started = time.monotonic()
        results[kind] = dict(fuzz(kind, options.count, options.seed).most_common())
        print(f"{kind:<10} {json.dumps(results[kind])} in {time.monotonic() - started:.0f} s", flush=True)
    return results


if __name__ == "__main__":
    main()
