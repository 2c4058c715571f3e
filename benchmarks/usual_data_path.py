"""The peers of the stage `prepare`, each to be run as a process of its own.

python benchmarks/usual_data_path.py usual RAW OUT        extract both archives into files, then Pillow, file by file
python benchmarks/usual_data_path.py pillow RAW OUT CARD  the stage itself, but every image decoded by Pillow
python benchmarks/usual_data_path.py floor RAW            decompress both archives and drop what comes out
"""

import sys
from pathlib import Path

import numpy as np
import py7zr
from PIL import Image

PIECE_BYTES = 1 << 20


def usual(raw: Path, out: Path) -> None:
    """What one would write in ten lines: `<out>/train.npy` and `test.npy`, UInt8 [images 3 32 32], rows by id."""
    for part in ("train", "test"):
        with py7zr.SevenZipFile(raw / f"{part}.7z") as archive:
            archive.extractall(out)
        paths = sorted((out / part).iterdir(), key=lambda path: int(path.stem))
        images = np.empty((len(paths), 3, 32, 32), dtype=np.uint8)
        for row, path in enumerate(paths):
            with Image.open(path) as image:
                images[row] = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        np.save(out / f"{part}.npy", images)


def pillow(raw: Path, prepared: Path, card: Path) -> None:
    """What `prepare` is without `images/png.py`, where no image passes for plain."""
    from cifar10.images import codec
    from cifar10.stages import prepare

    codec.decode_plain_pngs = lambda encoded: (np.empty((0, 3, 32, 32), np.uint8), np.zeros(len(encoded), dtype=bool))
    prepare.main(raw, prepared, card)


def floor(raw: Path) -> None:
    """The serial part that nobody who uses the standard library's LZMA can avoid."""
    for part in ("train", "test"):
        with (raw / f"{part}.7z").open("rb") as file, py7zr.SevenZipFile(file) as archive:
            streams = archive.header.main_streams
            assert streams is not None
            assert streams.packinfo is not None
            assert streams.unpackinfo is not None
            (folder,) = streams.unpackinfo.folders
            decompressor = folder.get_decompressor(streams.packinfo.packsizes[0])
            file.seek(archive.afterheader)
            missing = folder.get_unpack_size()
            while missing:
                missing -= len(decompressor.decompress(file, min(missing, PIECE_BYTES)))


if __name__ == "__main__":
    {"usual": usual, "pillow": pillow, "floor": floor}[sys.argv[1]](*(Path(argument) for argument in sys.argv[2:]))
