"""The literature's steps as polars expressions, for ``convert_engines.py``."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from benchmarks.log_rules import DAY, LOG_RULES, LogRules

CLICK_HEADER = "session_id:token\titem_id:token\ttimestamp:float\n"
ITEM_HEADER = "item_id:token\tcategory:token\n"
SECOND = 1_000_000  # in microseconds
ORDER = ("date", "first", "row")


def convert(kind: str, raw: Path, folder: Path) -> None:
    """Read a log, apply the rules and write the data set."""
    rules = LOG_RULES[kind]
    training, test = _split(_filtered(_rows(kind, raw), rules), rules)
    folder.mkdir(parents=True)
    for split, part in {**_held_out(training), "test": test}.items():
        clicks = part.select("session", "item", _time_text())
        _write(clicks, folder / f"{kind}.{split}.inter", CLICK_HEADER)
    items = training.select("item").unique(maintain_order=True)
    named = _categories(training, rules)
    items = items.join(named, on="item", how="left", maintain_order="left").fill_null("")
    _write(items, folder / f"{kind}.item", ITEM_HEADER)


def _rows(kind: str, raw: Path) -> pl.DataFrame:
    log = LOG_RULES[kind]
    rows = pl.scan_csv(
        raw,
        has_header=log.header,
        new_columns=list(log.columns),
        infer_schema=False,  # text it is
    ).fill_null("")
    if kind == "yoochoose":
        instant = pl.col("text").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us")
        rows = rows.with_columns(time=instant.dt.timestamp("us"))
    else:
        text = pl.col("text").str.zfill(4)
        day = (pl.lit("2014") + text).str.to_date("%Y%m%d").dt.epoch("us")
        session = pl.concat_str("user", text, separator="-")
        rows = rows.filter(pl.col("action") == "0").with_columns(session=session, time=day)
    rows = rows.with_columns(date=pl.col("time") // SECOND).with_row_index("row")
    return rows.select("row", "session", "item", "time", "date", "category").collect()


def _filtered(rows: pl.DataFrame, rules: LogRules) -> pl.DataFrame:
    count = pl.len().over
    clicks = rows.with_columns(
        first=pl.col("row").first().over("session"), date=pl.col("date").last().over("session")
    )
    clicks = clicks.filter(count("first") > 1)
    clicks = clicks.filter(count("item") >= 5)
    return clicks.filter(count("first").is_between(2, rules.longest))


def _split(clicks: pl.DataFrame, rules: LogRules) -> tuple[pl.DataFrame, pl.DataFrame]:
    date, cut = pl.col("date"), clicks["date"].max() - DAY
    before = date <= cut if rules.cut_is_training else date < cut
    training = clicks.filter(before).sort(ORDER)
    known = training.select("item").unique()
    test = clicks.filter(date > cut).join(known, on="item", how="semi")
    return training, test.filter(pl.len().over("first") > 1).sort(ORDER)


def _held_out(training: pl.DataFrame) -> dict[str, pl.DataFrame]:
    names = training.select("first").unique(maintain_order=True)
    last = names.tail(max(round(len(names) / 20), 1))
    return {
        split: training.join(last, on="first", how=how, maintain_order="left")
        for split, how in (("train", "anti"), ("valid", "semi"))
    }


def _categories(training: pl.DataFrame, rules: LogRules) -> pl.DataFrame:
    """The most frequent category of each item; of equally many, the first named."""
    named = training.filter(~pl.col("category").is_in(rules.no_category))
    counts = named.group_by("item", "category").agg(pl.len().alias("clicks"), pl.col("row").min())
    counts = counts.sort("clicks", "row", descending=[True, False])
    return counts.unique("item", keep="first", maintain_order=True).select("item", "category")


def _time_text() -> pl.Expr:
    """Seconds from whole microseconds; its division does not give the nearest float."""
    whole, rest = pl.col("time") // SECOND, pl.col("time") % SECOND
    text = pl.format("{}.{}", whole, rest.cast(pl.String).str.zfill(6))
    return text.str.strip_chars_end("0").str.strip_suffix(".")


def _write(frame: pl.DataFrame, path: Path, header: str) -> None:
    with path.open("wb") as file:
        file.write(header.encode())
        frame.write_csv(file, separator="\t", include_header=False, quote_style="never")
