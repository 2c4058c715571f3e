"""`cifar10 classify`: files, folders and URLs, good and bad, through the command itself."""

import io
import json
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from conftest import CLASSES, tiny_image, train_config
from PIL import Image
from test_codec import bomb
from torch import nn

from cifar10.app.cli import main
from cifar10.images.codec import KNOWN_FORMATS, encode_png
from cifar10.models import build_model
from cifar10.models.checkpoint import TrainedModel, save_model


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a model at its usual place that knows the tiny competition's colours, and pictures of them."""
    monkeypatch.chdir(tmp_path)
    config = train_config(model__name="lenet").model
    model = build_model(config, len(CLASSES))
    assert isinstance(model, nn.Sequential)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    for layer in (module for module in model if isinstance(module, nn.Conv2d | nn.Linear)):
        nn.init.dirac_(layer.weight) if isinstance(layer, nn.Conv2d) else nn.init.eye_(layer.weight)
    first = next(module for module in model if isinstance(module, nn.Linear))
    nn.init.zeros_(first.weight)
    with torch.no_grad():
        for color, rows in enumerate(((50, 75), (25, 50), (0, 25))):  # blue, green, red: the sum of a channel
            first.weight[color, slice(*rows)] = 0.1
    save_model(Path("models/model.pt"), TrainedModel(model, config, list(CLASSES), [0.0] * 3, [1.0] * 3))
    for label, name in enumerate(CLASSES):
        Path(f"{name}.png").write_bytes(encode_png(tiny_image(label, label)))
    return tmp_path


def run(*arguments: str) -> int:
    """Exit code of `cifar10 classify`."""
    try:
        main(["classify", *arguments])
    except SystemExit as stop:
        return int(str(stop.code))
    return 0


def test_the_table_has_a_line_for_each_picture(here: Path, capsys):
    assert run("blue.png", "green.png", "red.png", "--top", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[f"{name}.png", name] for name in CLASSES]
    assert all(line.count("%") == 2 for line in lines)


def test_json_has_all_digits_in_order(here: Path, capsys):
    assert run("red.png", "--json", "--top", "9") == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["image"] == "red.png"
    assert answer["top"][0]["class"] == "red"
    values = [each["probability"] for each in answer["top"]]
    assert len(values) == 3
    assert sum(values) == pytest.approx(1)
    assert values == sorted(values, reverse=True)


def test_a_large_upright_photograph_is_taken_too(here: Path, capsys):
    Image.open("green.png").resize((900, 700)).save("photo.jpg", exif=Image.Exif())
    assert run("photo.jpg") == 0
    assert capsys.readouterr().out.split()[:2] == ["photo.jpg", "green"]


def test_a_folder_stands_for_its_pictures(here: Path, capsys):
    Path("pictures/below").mkdir(parents=True)
    Path("red.png").rename("pictures/b.PNG")
    Path("blue.png").rename("pictures/below/c.png")
    for name in ("notes.txt", "more.TXT", "phone.heic", "README", ".hidden.png"):
        Path("pictures", name).write_text("no picture")
    Path("pictures/.thumbnails").mkdir()
    Path("pictures/.thumbnails/c.png").write_text("no picture")
    assert run("pictures", "green.png") == 0
    out, err = capsys.readouterr()
    assert err == (
        "note: pictures: 4 passed over (.txt 2, without ending 1, .heic 1); "
        "pictures end in .png, .jpg, .jpeg, .jfif, .webp, .avif, .gif, .bmp, .tif, .tiff\n"
    )
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["pictures/b.PNG", "red"], ["pictures/below/c.png", "blue"], ["green.png", "green"],
    ]  # fmt: skip


def test_a_picture_comes_from_standard_input(here: Path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("red.png").read_bytes())))
    assert run("-", "blue.png") == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [["-", "red"], ["blue.png", "blue"]]


@pytest.mark.parametrize("kind", KNOWN_FORMATS)
def test_every_known_format_is_answered(here: Path, capsys, kind):
    """By its content: the name says nothing."""
    Image.open("green.png").resize((90, 70)).save("photo", kind)
    assert run("photo") == 0
    assert capsys.readouterr().out.split()[:2] == ["photo", "green"]


def test_one_unreadable_picture_does_not_stop_the_others(here: Path, capsys):
    Path("notes.png").write_text("no picture")
    Path("bomb.png").write_bytes(bomb())
    Path("empty").mkdir()
    assert run("gone.png", "notes.png", "red.png", "bomb.png", "empty") == 1
    out, err = capsys.readouterr()
    assert out.split()[:2] == ["red.png", "red"]
    assert len(out.splitlines()) == 1
    assert err.splitlines() == [
        "error: gone.png: No such file or directory",
        "error: notes.png: not a readable picture (known formats: PNG, JPEG, WEBP, AVIF, GIF, BMP, TIFF)",
        "error: bomb.png: 20000x20000 is too large a picture: at most 134 megapixels are read, 536 of a JPEG",
        "error: empty: no pictures in this folder; "
        "they end in .png, .jpg, .jpeg, .jfif, .webp, .avif, .gif, .bmp, .tif, .tiff",
    ]


@pytest.mark.parametrize(("flags", "out"), [((), ""), (("--json",), "[]\n")])
def test_nothing_readable_is_no_table(here: Path, capsys, flags, out):
    assert run("gone.png", *flags) == 1
    assert capsys.readouterr().out == out


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "not found; `dvc repro train` makes it"), (b"hello", "damaged, or no model file of this program")],
)
def test_a_model_that_is_none_is_one_line(here: Path, capsys, content, expected):
    if content:
        Path("other.pt").write_bytes(content)
    assert run("red.png", "--model", "other.pt") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: other.pt: {expected}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("top", ["0", "-1", "many"])
def test_top_is_a_number_of_classes(here: Path, capsys, top):
    assert run("red.png", "--top", top) == 2
    assert "expected a whole number above 0" in capsys.readouterr().err


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def base(here: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_url_is_asked_like_a_file(base: str, capsys):
    assert run(f"{base}/blue.png", "--allow-private") == 0
    assert capsys.readouterr().out.split()[:2] == [f"{base}/blue.png", "blue"]


def test_urls_that_are_refused(base: str, capsys):
    Path("notes.html").write_text("<html></html>")
    Path("bomb").write_bytes(bomb())
    assert run(f"{base}/red.png", "ftp://a/b.png") == 1
    assert run(f"{base}/gone.png", f"{base}/notes.html", f"{base}/bomb", "--allow-private") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: {base}/red.png: 127.0.0.1 leads to 127.0.0.1, which is no public address; --allow-private permits it",
        "error: ftp://a/b.png: not an http or https address",
        f"error: {base}/gone.png: answered with status 404",
        f"error: {base}/notes.html: not a readable picture (known formats: PNG, JPEG, WEBP, AVIF, GIF, BMP, TIFF)",
        f"error: {base}/bomb: 20000x20000 is too large a picture: at most 134 megapixels are read, 536 of a JPEG",
    ]
