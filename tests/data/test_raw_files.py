"""Packed raw files: read whole, or refused in one line that names the file."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recbole_a2d import cli
from recbole_a2d.data.raw_files import find_optional, open_raw, require_file
from recbole_a2d.errors import UserError

TEXT = b"".join(b"s%d,i%d,%d\n" % (number // 3, number % 7, number) for number in range(30))
METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def zipped(method: int, text: bytes = TEXT) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo("log.csv"), text, method)
    return packed.getvalue()


PACKINGS: dict[str, Callable[[], bytes]] = {
    "gz": lambda: gzip.compress(TEXT, mtime=0),
    **{name: lambda method=method: zipped(method) for name, method in METHODS.items()},
}


def content(path: Path) -> bytes:
    with open_raw(path) as read:
        return b"".join(iter(lambda: read(100), b""))


def outcome(path: Path) -> str:
    """That the file is read whole, or what its refusal says behind its name."""
    try:
        return "whole" if content(path) == TEXT else "something else"
    except UserError as error:
        return str(error).removeprefix(f"{path} ").removeprefix("is ").partition(" (")[0]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("flipped", [0xFF, 0x01])
def test_any_byte_changed(tmp_path: Path, packing: str, flipped: int) -> None:
    """The file is read whole, where the byte means nothing, or refused by its name."""
    path = tmp_path / ("log.gz" if packing == "gz" else "log.zip")
    whole = PACKINGS[packing]()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ flipped]) + whole[place + 1 :])
        assert outcome(path) in ("whole", "truncated or damaged", "cannot be unpacked"), place


@pytest.mark.parametrize("method", METHODS)
def test_a_damaged_zip_is_not_blamed_on_the_output_folder(
    tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = bytearray(zipped(METHODS[method], b"s,t,i\n" + TEXT * 50))
    packed[60:70] = b"damaged..."
    (tmp_path / "log.zip").write_bytes(packed)
    columns = ["--session", "s", "--time", "t", "--item", "i", "--out", str(tmp_path / "toy")]
    assert cli.main(["convert", "csv", "--raw", str(tmp_path / "log.zip"), *columns]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'log.zip'} is truncated or damaged (")


@pytest.mark.parametrize("error", [EOFError("own"), OSError("own"), IndexError("own")])
def test_errors_of_the_caller_are_its_own(tmp_path: Path, error: Exception) -> None:
    (tmp_path / "log.csv").write_bytes(TEXT)
    with pytest.raises(type(error), match="own"), open_raw(tmp_path / "log.csv"):
        raise error


def test_a_disk_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    (tmp_path / "log.gz").write_bytes(gzip.compress(TEXT))
    monkeypatch.setattr(gzip.GzipFile, "read", fail)
    with pytest.raises(UserError, match=r"log.gz: Input/output error; check that it can be read"):
        content(tmp_path / "log.gz")


@pytest.mark.parametrize("ending", [".gz", ".GZ", ".Gz", ".zip", ".ZIP"])
def test_endings_in_capitals(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"LOG.CSV{ending}"
    path.write_bytes(PACKINGS["gz" if ending.lower() == ".gz" else "deflated"]())
    assert content(path) == TEXT


def test_messages_name_the_option(tmp_path: Path) -> None:
    for option in ("--raw", "--categories"):
        with pytest.raises(UserError, match=f"none is not a file: give the raw file to {option}$"):
            require_file(tmp_path / "none", option)
    for name in ("log.csv", "log.csv.gz"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match="holds both log.csv and log.csv.gz: move one of them away"):
        find_optional(tmp_path, ["log.csv"])
