# What is worked on most: files by how many of the last 200 commits touched them.
set -eu
cd {repo}

# Agents run as a user of their own, and git asks who owns a repository before it reads it. Paths stay readable.
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="*"
export GIT_CONFIG_KEY_1=core.quotePath GIT_CONFIG_VALUE_1=false

git rev-parse --verify --quiet HEAD >/dev/null || { echo "Nothing is committed yet." >"$TOWNHALL_RESULT_FILE"; exit 0; }
seen=$(git log -n 200 --no-merges --format=%h | wc -l)
echo "reading what $seen commits changed"
{
  echo "# In the last $seen commits"
  git log -n 200 --no-merges --format= --name-only | sort | uniq -c | sort -k1,1rn -k2 | head -n 12 | awk '
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
    { n = $1; sub(/^ *[0-9]+ /, ""); if (!most) most = n; printf "%6d  %s  %s\n", n, padded(n, most), $0 }
  '
} >"$TOWNHALL_RESULT_FILE"
echo "done"
