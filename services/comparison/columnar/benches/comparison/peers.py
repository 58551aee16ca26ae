"""What the engine is measured against: the same question to DuckDB or Polars.

peers.py duckdb|polars FILE IDS        counts hits and sums their amounts; prints times of that alone
peers.py parquet FILE OUT              writes the rows as DuckDB writes Parquet
peers.py answers clean|dirty FILE IDS OUT   DuckDB's answer row for row
"""

import json
import resource
import sys
import time

THREADS = 2


def rows_of(file):
    return f"""read_csv('{file}', header=true, auto_detect=false, delim=',', quote='"', escape='"',
                      columns={{'id': 'VARCHAR', 'name': 'VARCHAR',
                               'amount': 'DECIMAL(12,2)', 'date': 'DATE'}})"""


def parquet(file, out):
    import duckdb

    database = duckdb.connect(config={"threads": THREADS})
    database.sql(f"COPY (SELECT * FROM {rows_of(file)}) TO '{out}' (FORMAT parquet)")


def duckdb_sum(file, ids):
    import duckdb

    database = duckdb.connect(config={"threads": THREADS})
    rows = f"read_parquet('{file}')" if file.endswith(".parquet") else rows_of(file)
    return lambda: database.execute(
        f"""
        SELECT count(*), sum(amount)
        FROM {rows}
        WHERE id IN (SELECT id FROM read_csv('{ids}', header=true, auto_detect=false, delim=',',
                                             columns={{'id': 'VARCHAR', 'name': 'VARCHAR'}}))
        """
    ).fetchone()


def polars_sum(file, ids):
    import os

    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    import polars

    def run():
        text = polars.String
        wanted = polars.scan_csv(ids, schema={"id": text, "name": text}).select("id")
        schema = {"id": text, "name": text, "amount": polars.Float64, "date": text}
        is_parquet = file.endswith(".parquet")
        rows = polars.scan_parquet(file) if is_parquet else polars.scan_csv(file, schema=schema)
        found = rows.join(wanted, on="id", how="semi")
        found = found.select(polars.len(), (polars.col("amount") * 100).round().sum() / 100)
        return found.collect(engine="streaming").row(0)

    return run


# Verdicts as the engine gives them, in the order in which it looks: first the number of every row,
# then the rest of an authorised person's.
DIRTY = """
    CREATE MACRO narrow(text) AS
        upper(translate(trim(text, ' \t\u3000'), '０１２３４５６７８９Ｘｘ', '0123456789XX'));
    CREATE MACRO digit(id, place) AS TRY_CAST(substr(id, place, 1) AS INTEGER);
    CREATE MACRO check_of(id) AS substr('10X98765432', 1 + (
        7 * digit(id, 1) + 9 * digit(id, 2) + 10 * digit(id, 3) + 5 * digit(id, 4) +
        8 * digit(id, 5) + 4 * digit(id, 6) + 2 * digit(id, 7) + 1 * digit(id, 8) +
        6 * digit(id, 9) + 3 * digit(id, 10) + 7 * digit(id, 11) + 9 * digit(id, 12) +
        10 * digit(id, 13) + 5 * digit(id, 14) + 8 * digit(id, 15) + 4 * digit(id, 16) +
        2 * digit(id, 17)) % 11, 1);
    CREATE MACRO bare(name) AS replace(translate(name, ' \n\u3000·•', ''), '呂', '吕');
    CREATE TABLE verdicts AS
    WITH numbered AS (
        SELECT 1 + row_number() OVER () AS row, narrow(id) AS id, name, amount
        FROM read_csv('{file}', header=true, auto_detect=false, delim=',', quote='"', escape='"',
                      all_varchar=true, null_padding=true, parallel=false, new_line='\\r\\n',
                      columns={{'id': 'VARCHAR', 'name': 'VARCHAR',
                               'amount': 'VARCHAR', 'date': 'VARCHAR'}})
    )
    SELECT row, numbered.id, amount, CASE
        WHEN contains(numbered.id, '.') THEN 'SPREADSHEET_FLOAT'
        WHEN regexp_full_match(numbered.id, '[0-9]{{15}}') THEN 'FIFTEEN_DIGITS'
        WHEN numbered.id IS NULL THEN 'MISSING'
        WHEN len(numbered.id) <> 18 THEN 'LENGTH'
        WHEN NOT regexp_full_match(numbered.id, '[0-9]{{17}}[0-9X]') THEN 'CHARACTERS'
        WHEN check_of(numbered.id) <> substr(numbered.id, 18, 1) THEN 'CHECK_DIGIT'
        WHEN wanted.id IS NULL THEN NULL
        WHEN amount IS NULL THEN 'COLUMNS'
        WHEN bare(numbered.name) <> bare(wanted.name) THEN 'NAME_MISMATCH'
        ELSE 'HIT' END AS verdict
    FROM numbered LEFT JOIN '{ids}' AS wanted ON numbered.id = wanted.id;
    COPY (
        SELECT row, verdict, if(verdict = 'HIT', id, NULL), if(verdict = 'HIT', amount, NULL)
        FROM verdicts WHERE verdict IS NOT NULL ORDER BY row
    ) TO '{out}' (HEADER false);
"""

CLEAN = """
    CREATE TABLE numbered AS
        SELECT 1 + row_number() OVER () AS row, *
        FROM read_csv('{file}', header=true, auto_detect=false, delim=',', quote='"', escape='"',
                      columns={{'id': 'VARCHAR', 'name': 'VARCHAR',
                               'amount': 'VARCHAR', 'date': 'VARCHAR'}});
    COPY (
        SELECT row, id, name, amount, date FROM numbered SEMI JOIN '{ids}' AS wanted USING (id)
        ORDER BY row
    ) TO '{out}' (HEADER false);
"""


def answers(which, file, ids, out):
    import duckdb

    ids = f"{ids}"
    sql = {"clean": CLEAN, "dirty": DIRTY}[which].format(file=file, ids=ids, out=out)
    database = duckdb.connect(config={"threads": THREADS})
    database.sql("SET preserve_insertion_order = true")
    for statement in sql.split(";\n"):
        if statement.strip():
            database.sql(statement)


def timed(run):
    def cpu_s():
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    cpu, wall = cpu_s(), time.monotonic()
    hits, amount = run()
    cpu, wall = cpu_s() - cpu, time.monotonic() - wall
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    amount_fen = round(float(amount) * 100)
    print(json.dumps(
        {"hits": hits, "amount_fen": amount_fen, "cpu_s": cpu, "wall_s": wall, "peak_kib": peak_kib}
    ))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["duckdb", file, ids]:
            timed(duckdb_sum(file, ids))
        case ["polars", file, ids]:
            timed(polars_sum(file, ids))
        case ["parquet", file, out]:
            parquet(file, out)
        case ["answers", which, file, ids, out]:
            answers(which, file, ids, out)
        case _:
            sys.exit(__doc__)
