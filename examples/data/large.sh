#!/bin/sh
# Write a large real table: the Unihan database of Unicode, more than 1,400,000 rows of
# `U+3400/kCantonese<TAB>jau1`, with no header and a unique first column.
#
#     examples/data/large.sh OUTPUT.tsv
#
# The data comes from Debian's package unicode-data and is not kept in this repository.
set -eu

fail() {
    echo "large.sh: $*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "usage: large.sh OUTPUT.tsv"
output=$1
share=/usr/share/unicode
export LC_ALL=C # the order of files and of bytes, whatever the user's language

# The package keeps the files compressed; other releases of it may not.
find_files() {
    find "$share" -maxdepth 1 -name 'Unihan_*.txt*' 2>/dev/null | sort
}

if [ -z "$(find_files)" ] || ! command -v bzip2 >/dev/null; then
    hint="install the packages unicode-data and bzip2 (Debian, Ubuntu: apt-get install unicode-data bzip2)"
    command -v apt-get >/dev/null || fail "$hint"
    [ "$(id -u)" -eq 0 ] || fail "not root: $hint"
    # A fresh machine has no package lists yet; an updated one should not wait for them again.
    apt-get install -qq -y --no-install-recommends unicode-data bzip2 >/dev/null 2>&1 || {
        apt-get update -qq
        apt-get install -qq -y --no-install-recommends unicode-data bzip2 >/dev/null
    }
fi
[ -n "$(find_files)" ] || fail "no Unihan_*.txt in $share: this release of unicode-data has none"

# A failure inside a pipe would be lost, so each file is unpacked on its own first.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
find_files | while read -r file; do
    case $file in
    *.bz2) bzip2 -dc "$file" ;;
    *.gz) gzip -dc "$file" ;;
    *.txt) cat "$file" ;;
    *) fail "cannot read $file" ;;
    esac >>"$scratch/unihan.txt" || fail "cannot unpack $file"
done

# A line is `U+3400<TAB>kCantonese<TAB>jau1`; comments start with `#`.
awk -F '\t' '/^U\+/ { print $1 "/" $2 "\t" $3 }' "$scratch/unihan.txt" >"$scratch/rows.tsv"

rows=$(wc -l <"$scratch/rows.tsv" | tr -d ' ')
twice=$(cut -f 1 "$scratch/rows.tsv" | sort -T "$scratch" | uniq -d | wc -l | tr -d ' ')
[ "$rows" -ge 500000 ] || fail "only $rows rows: want 500000"
[ "$twice" -eq 0 ] || fail "$twice keys are there twice"
cp "$scratch/rows.tsv" "$output"
echo "$output: $rows rows, every key once" >&2
