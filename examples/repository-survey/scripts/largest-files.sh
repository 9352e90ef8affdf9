# The largest files of the newest commit, as git stores them: what is not committed is not measured.
set -eu
cd {repo}

# Agents run as a user of their own, and git asks who owns a repository before it reads it. Paths stay readable.
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="*"
export GIT_CONFIG_KEY_1=core.quotePath GIT_CONFIG_VALUE_1=false

git rev-parse --verify --quiet HEAD >/dev/null || { echo "Nothing is committed yet." >"$TOWNHALL_RESULT_FILE"; exit 0; }
files=$(git ls-tree -r HEAD | wc -l)
echo "measuring $files files"
git ls-tree -r -l HEAD | awk -F '\t' '
  {
    # Mode, type, id and size stand before the tab; submodules have no size.
    n = split($1, facts, " ")
    if (facts[n] == "-") next
    total += facts[n]; count++
    print facts[n] "\t" $2 | "sort -rn | head -n 12"
  }
  END { close("sort -rn | head -n 12"); print "sum\t" count "\t" total }
' | awk -F '\t' '
  function size(bytes) {
    if (bytes >= 1048576) return sprintf("%.1f MiB", bytes / 1048576)
    if (bytes >= 1024) return sprintf("%.1f KiB", bytes / 1024)
    return sprintf("%d B", bytes)
  }
  function bar(part, whole,   text, i) {
    for (i = 0; i < int(24 * part / whole + 0.5) || i < 1; i++) text = text "█"
    return text
  }
  # As wide as the longest bar, so that what stands behind lines up. One sign counts as one here, whatever its bytes.
  function padded(part, whole,   text, n) {
    text = bar(part, whole); n = int(24 * part / whole + 0.5)
    for (n = n < 1 ? 1 : n; n < 24; n++) text = text " "
    return text
  }
  $1 == "sum" { printf "\n%d files, %s in all\n", $2, size($3); next }
  { if (!most) most = $1 > 0 ? $1 : 1; printf "%10s  %s  %s\n", size($1), padded($1, most), $2 }
' >"$TOWNHALL_RESULT_FILE"
echo "done"
