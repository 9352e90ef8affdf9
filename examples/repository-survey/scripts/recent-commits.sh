# Who worked on it lately, and when: the last 200 commits without merges.
set -eu
cd {repo}

# Agents run as a user of their own, and git asks who owns a repository before it reads it. Paths stay readable.
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="*"
export GIT_CONFIG_KEY_1=core.quotePath GIT_CONFIG_VALUE_1=false

git rev-parse --verify --quiet HEAD >/dev/null || { echo "Nothing is committed yet." >"$TOWNHALL_RESULT_FILE"; exit 0; }
most=200
seen=$(git log -n "$most" --no-merges --format=%h | wc -l)
echo "reading $seen commits"

# chart FORMAT SORT... : how often each line of the log comes, with a bar.
chart() {
  format=$1
  shift
  git log -n "$most" --no-merges --date=short --format="$format" | sort | uniq -c | sort "$@" | head -n 10 | awk '
  function bar(part, whole,   text, i) {
    for (i = 0; i < int(24 * part / whole + 0.5) || i < 1; i++) text = text "█"
    return text
  }
    { n[NR] = $1; sub(/^ *[0-9]+ /, ""); what[NR] = $0; if (n[NR] > most) most = n[NR] }
    END { for (i = 1; i <= NR; i++) printf "%6d  %-28s %s\n", n[i], what[i], bar(n[i], most) }
  '
}

{
  echo "# By author, the last $seen commits"
  chart %aN -rn
  echo
  echo "# By day, the newest first"
  chart %ad -k2,2r
  echo
  echo "# The newest"
  git log -n 5 --no-merges --date=short --format='  %ad  %<(72,trunc)%s' | sed 's/ *$//'
} >"$TOWNHALL_RESULT_FILE"
echo "done"
