# Comments that promise work, behind a comment sign, in tracked files.
set -eu
cd {repo}

# Agents run as a user of their own, and git asks who owns a repository before it reads it. Paths stay readable.
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="*"
export GIT_CONFIG_KEY_1=core.quotePath GIT_CONFIG_VALUE_1=false

echo "searching $(git ls-files | wc -l) tracked files"
found=$(git grep -n -I -E '(//|#|/\*|^[[:space:]]*\*|--|;|<!--|%)[^"]*\<(TODO|FIXME|HACK|XXX)\>' || [ $? -eq 1 ])
if [ -z "$found" ]; then
  echo "None: no comment says TODO, FIXME, HACK or XXX." >"$TOWNHALL_RESULT_FILE"
  exit 0
fi

printf '%s\n' "$found" | awk '
  function bar(part, whole,   text, i) {
    for (i = 0; i < int(24 * part / whole + 0.5) || i < 1; i++) text = text "█"
    return text
  }
  {
    # path:line:text. A path may hold a colon, a line number is only digits.
    match($0, /:[0-9]+:/)
    place = substr($0, 1, RSTART + RLENGTH - 2)
    file = substr($0, 1, RSTART - 1)
    text = substr($0, RSTART + RLENGTH)
    match(text, /TODO|FIXME|HACK|XXX/)
    word = substr(text, RSTART, RLENGTH)
    words[word]++; files[file]++; all++
    text = substr(text, RSTART)
    gsub(/[ \t]+/, " ", text)
    # Cut between words: a cut inside one could fall into the middle of a character.
    if (length(text) > 78) { text = substr(text, 1, 78); sub(/[^ ]*$/, "…", text) }
    if (all <= 15) lines[all] = sprintf("  %s\n      %s", place, text)
  }
  END {
    for (file in files) count++
    printf "# %d in %d files\n", all, count
    for (word in words) { printf "%8s %5d  %s\n", word, words[word], bar(words[word], all) | "sort -k2,2rn" }
    close("sort -k2,2rn")
    print ""
    for (i = 1; i <= all && i <= 15; i++) print lines[i]
    if (all > 15) printf "  … and %d more\n", all - 15
  }
' >"$TOWNHALL_RESULT_FILE"
echo "done"
