"""The ``convert`` command: a raw log to a folder of atomic files."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from pathlib import Path

import pyarrow

from recbole_a2d.command_line import OneLineParser
from recbole_a2d.data.atomic import Manifest, write_atomic
from recbole_a2d.data.atomic_writing import PREFIX_LENGTH, file_names
from recbole_a2d.data.names import check_name
from recbole_a2d.data.preprocess import VALID_FRACTION
from recbole_a2d.data.readers import READERS, Reader
from recbole_a2d.data.tables import SPLITS, ConvertedLog
from recbole_a2d.errors import UserError, reason
from recbole_a2d.safe_write import refuse_foreign_files

DATA_FOLDER = Path("dataset_atomic")
FORMATS = (".csv", ".tsv", ".txt", ".dat", ".parquet", ".pq", ".gz", ".zip")


def main(argv: list[str]) -> None:
    """Convert a raw log as the command line says, and print what came of it.

    Raises:
        UserError: bad options or input; a former data set stays as it was.
    """
    args = build_parser().parse_args(argv)
    reader = READERS[args.source]
    try:
        manifest, found = convert(reader, args)
    except OSError as error:
        raise UserError(
            f"{error.filename or args.out}: {error.strerror or error}; nothing was changed: check "
            "the path and the room left on the disk"
        ) from error
    except MemoryError as error:
        raise UserError(
            f"{args.raw} does not fit into memory; nothing was changed: close other programs, or "
            "cut the log to fewer days"
        ) from error
    except pyarrow.ArrowCapacityError as error:
        raise UserError(
            f"{args.raw} holds more than 2 GiB of different ids in one column; nothing was "
            "changed: shorten the ids, or cut the log to fewer days"
        ) from error
    print(describe(manifest, args.out))
    for warning in [*found, *warnings(manifest)]:
        print(f"warning: {warning}", file=sys.stderr)


def build_parser() -> ArgumentParser:
    """The command line: one sub-command a reader, with the shared options in each."""
    parser = OneLineParser(
        prog="run_recbole_a2d.py convert",
        description="Turn a raw log into atomic files: dataset_atomic/NAME/NAME.*",
        allow_abbrev=False,
    )
    sources = parser.add_subparsers(dest="source", metavar="SOURCE", required=True)
    for reader in READERS.values():
        source = sources.add_parser(
            reader.name, help=reader.summary, description=reader.summary, allow_abbrev=False
        )
        _add_shared_arguments(source, reader)
        reader.add_arguments(source)
    return parser


def convert(reader: Reader, args: Namespace) -> tuple[Manifest, tuple[str, ...]]:
    """Read, split and write; completes ``args`` with the name and the folder.

    Returns:
        What was written, and what the reader warns of.
    """
    _check_raw(reader, args.raw)
    prefix_length = _prefix_length(args)
    args.name, args.out = target(reader, args.raw, args.name, args.out)
    _check_out(reader, args)
    log = reader.read(args)
    manifest = write_atomic(args.out, log, prefix_length)
    _write_more(log, args.out)
    return manifest, log.warnings


def _write_more(log: ConvertedLog, out: Path) -> None:
    try:
        for write in log.afterwards:
            write()
    except OSError as error:
        raise UserError(
            f"{error.filename or log.source}: {reason(error)}; the data set stands in {out}, what "
            "else was asked for does not: check the path and the room left on the disk"
        ) from error


def _check_raw(reader: Reader, raw: Path | None) -> None:
    if reader.needs_raw and raw is None:
        raise UserError(f"`convert {reader.name}` needs --raw PATH: where the raw files are")
    if raw is not None and not reader.takes_raw:
        raise UserError(f"`convert {reader.name}` reads no file: leave out --raw {raw}")


def _check_out(reader: Reader, args: Namespace) -> None:
    """Refuse, before hours of work, a folder whose replacement would lose files."""
    for option in ("raw", *reader.paths):
        path: Path | None = getattr(args, option)
        if path is not None and _lies_in(path, args.out):
            raise UserError(
                f"--{option.replace('_', '-')} {path} lies in {args.out}, the folder of the data "
                "set, which is replaced as a whole: choose another --out"
            )
    refuse_foreign_files(args.out, file_names(args.name))


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether a path, or what it links to, is a folder or lies in it."""
    places = (path.resolve(), path.parent.resolve() / path.name)
    return any(place.is_relative_to(folder.resolve()) for place in places)


def _prefix_length(args: Namespace) -> int | None:
    """Clicks kept in the rows for stock RecBole, None where none are to be written."""
    if args.prefixes:
        return PREFIX_LENGTH if args.prefix_length is None else int(args.prefix_length)
    if args.prefix_length is not None:
        raise UserError("--prefix-length is for --prefixes: give both, or leave it out")
    return None


def target(
    reader: Reader, raw: Path | None, name: str | None, out: Path | None
) -> tuple[str, Path]:
    """Name of the data set and folder to write, which bears that name.

    Raises:
        UserError: the name could leave the folder, or name and folder differ.
    """
    if out is not None:  # a link bears its own name, and is refused by it, not where it leads
        out = out.parent.resolve() / out.name if out.is_symlink() else out.resolve()
    chosen = name or (out.name if out else name_of(raw.resolve()) if raw else reader.name)
    check_name(chosen, "see --name")
    if out is not None and out.name != chosen:
        raise UserError(
            f"--out {out} must end in the name of the data set, '{chosen}': RecBole looks for "
            f"{chosen}/{chosen}.inter"
        )
    return chosen, out or DATA_FOLDER / chosen


def name_of(raw: Path) -> str:
    """Name of a raw file or folder without what tells the format: ``ok`` of ``ok.csv.gz``."""
    while raw.suffix.lower() in FORMATS:
        raw = raw.with_suffix("")
    return raw.name


def describe(manifest: Manifest, folder: Path) -> str:
    """A small table of what was written."""
    lines = [f"{'split':<8}{'sessions':>10}{'clicks':>11}{'rows':>11}"]
    lines += [
        f"{split:<8}{manifest.sessions[split]:>10,}{manifest.clicks[split]:>11,}"
        f"{manifest.rows[split]:>11,}"
        for split in SPLITS
    ]
    lines.append(f"items {manifest.items:,}, categories {manifest.categories:,}")
    if manifest.best:
        lines.append("best " + ", ".join(f"{key} {value}" for key, value in manifest.best.items()))
    return "\n".join([*lines, *manifest.notes, f"written to {folder}"])


def warnings(manifest: Manifest) -> list[str]:
    """What may surprise a user of the data set."""
    counted = (
        (manifest.items_without_category, f"of {manifest.items:,} items have no category"),
        (manifest.unseen_target_rows, "test rows have a target unseen in training: misses"),
        (manifest.empty_prefix_rows, "test rows have no click seen in training before the target"),
    )
    found = [f"{count:,} {text}" for count, text in counted if count]
    if not manifest.sessions["valid"]:
        found.append(
            "no validation sessions (--valid-fraction 0): models that are trained need some to "
            "choose the epoch, but for the protocol test_selected"
        )
    return found


def _add_shared_arguments(parser: ArgumentParser, reader: Reader) -> None:
    raw_help = reader.raw_help + ("" if reader.needs_raw else " (optional)")
    parser.add_argument(
        "--raw", type=Path, metavar="PATH", help=raw_help if reader.takes_raw else SUPPRESS
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: dataset_atomic/NAME")
    parser.add_argument(
        "--name",
        help="name of the data set (default: the last part of --out, or of --raw without endings "
        "like .csv.gz)",
    )
    parser.add_argument(
        "--valid-fraction",
        type=float,
        default=VALID_FRACTION,
        help="share of the training sessions, the last by time, to validate on (default: 0.05); "
        "with 0 there are none to choose the epoch by",
    )
    parser.add_argument(
        "--prefixes",
        action="store_true",
        help="also write the (prefix, target) rows that stock RecBole reads",
    )
    parser.add_argument(
        "--prefix-length",
        type=int,
        help=f"clicks kept in those rows, the last ones (default: {PREFIX_LENGTH})",
    )
