"""The literature's steps in SQL, for ``convert_engines.py``."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.log_rules import DAY, LOG_RULES, LogRules

ROWS = {
    "yoochoose": """
        session, item, coalesce(category, '') AS category,
        epoch_us(strptime(text, '%Y-%m-%dT%H:%M:%S.%gZ')) / 1e6 AS time, floor(time) AS date
        FROM {file}""",
    "tmall": """
        user || '-' || lpad(text, 4, '0') AS session, item, coalesce(category, '') AS category,
        epoch(strptime('2014' || lpad(text, 4, '0'), '%Y%m%d')) AS time, time AS date
        FROM {file} WHERE action = '0'""",
}
# Each step is a table, so that no step is computed twice.
STEPS = """
CREATE TEMP TABLE log AS SELECT row_number() OVER () AS row, {rows};
CREATE TEMP TABLE sessions AS SELECT session, min(row) AS first, arg_max(date, row) AS date
    FROM log GROUP BY session HAVING count(*) > 1;
CREATE TEMP TABLE long AS SELECT row, first, log.session, item, category, time, sessions.date
    FROM log JOIN sessions USING (session);
DROP TABLE log; DROP TABLE sessions;
CREATE TEMP TABLE frequent AS
    SELECT long.* FROM long SEMI JOIN
    (SELECT item FROM long GROUP BY item HAVING count(*) >= 5) USING (item);
DROP TABLE long;
CREATE TEMP TABLE clicks AS
    SELECT frequent.* FROM frequent SEMI JOIN
    (SELECT first FROM frequent GROUP BY first HAVING count(*) BETWEEN 2 AND {longest})
    USING (first);
DROP TABLE frequent;
SET VARIABLE cut = (SELECT max(date) - {day} FROM clicks);
CREATE TEMP TABLE training AS SELECT * FROM clicks WHERE date {before} getvariable('cut');
CREATE TEMP TABLE known AS SELECT clicks.* FROM clicks SEMI JOIN training USING (item)
    WHERE clicks.date > getvariable('cut');
DROP TABLE clicks;
CREATE TEMP TABLE test AS SELECT known.* FROM known SEMI JOIN
    (SELECT first FROM known GROUP BY first HAVING count(*) > 1) USING (first);
CREATE TEMP TABLE names AS SELECT first, row_number() OVER (ORDER BY date, first) AS number
    FROM (SELECT DISTINCT first, date FROM training);
SET VARIABLE last = (SELECT count(*) - greatest(round_even(count(*) / 20, 0), 1) FROM names);
CREATE TEMP TABLE train AS SELECT training.* FROM training SEMI JOIN
    (SELECT first FROM names WHERE number <= getvariable('last')) USING (first);
CREATE TEMP TABLE valid AS SELECT training.* FROM training ANTI JOIN train USING (first);
CREATE TEMP TABLE items AS SELECT item, first_named, coalesce(category, '') AS category FROM
    (SELECT item, min((date, first, row)) AS first_named FROM training GROUP BY item)
    LEFT JOIN (
        SELECT item, arg_max(category, (clicks, -first_row)) AS category FROM
        (SELECT item, category, count(*) AS clicks, min(row) AS first_row FROM training
            WHERE category NOT IN ({no_category}) GROUP BY item, category)
        GROUP BY item
    ) USING (item);
"""
CLICKS = """SELECT session AS "session_id:token", item AS "item_id:token",
    regexp_replace(time::VARCHAR, '\\.0$', '') AS "timestamp:float"
    FROM {split} ORDER BY date, first, row"""
ITEMS = """SELECT item AS "item_id:token", category AS "category:token"
    FROM items ORDER BY first_named"""
QUERIES = {
    **{f"{split}.inter": CLICKS.format(split=split) for split in ("train", "valid", "test")},
    "item": ITEMS,
}


def convert(kind: str, raw: Path, folder: Path) -> None:
    """Read a log, apply the rules and write the data set."""
    database = duckdb.connect()
    database.execute("SET enable_progress_bar = false")
    database.execute(_steps(kind, raw, LOG_RULES[kind]))
    folder.mkdir(parents=True)
    for ending, query in QUERIES.items():
        path = folder / f"{kind}.{ending}"
        database.execute(
            f"COPY ({query}) TO '{path}' (FORMAT csv, HEADER, DELIMITER '\t', QUOTE '', ESCAPE '')"
        )


def _steps(kind: str, raw: Path, rules: LogRules) -> str:
    columns = ", ".join(f"'{column}': 'VARCHAR'" for column in rules.columns)
    file = (
        f"read_csv('{raw}', auto_detect=false, delim=',', quote='\"', escape='\"', "
        f"header={rules.header}, columns={{{columns}}})"
    )
    return STEPS.format(
        rows=ROWS[kind].format(file=file),
        longest=rules.longest,
        day=DAY,
        before="<=" if rules.cut_is_training else "<",
        no_category=", ".join(f"'{name}'" for name in rules.no_category),
    )
