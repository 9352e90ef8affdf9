# Where the lines of text are: tracked files by folder, two levels deep where one would say too little.
set -eu
cd {repo}

# Agents run as a user of their own, and git asks who owns a repository before it reads it. Paths stay readable.
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="*"
export GIT_CONFIG_KEY_1=core.quotePath GIT_CONFIG_VALUE_1=false

echo "counting the lines of $(git ls-files | wc -l) tracked files"
git grep -I -c '' | awk -F : '
  {
    # The count is behind the last colon; a path may hold others.
    lines = $NF
    path = substr($0, 1, length($0) - length(lines) - 1)
    depth = split(path, parts, "/")
    folder = depth == 1 ? "(top)" : depth == 2 ? parts[1] "/" : parts[1] "/" parts[2] "/"
    sum[folder] += lines; files[folder]++
  }
  END { for (folder in sum) print sum[folder] "\t" files[folder] "\t" folder }
' | sort -rn | awk -F '\t' '
  function bar(part, whole,   text, i) {
    for (i = 0; i < int(24 * part / whole + 0.5) || i < 1; i++) text = text "█"
    return text
  }
  NR == 1 { most = $1 > 0 ? $1 : 1; printf "# %8s %6s  %s\n", "lines", "files", "folder" }
  NR <= 14 { printf "%8d %6d  %-30s %s\n", $1, $2, $3, bar($1, most); next }
  { lines += $1; files += $2; others++ }
  END {
    if (others) printf "%8d %6d  … %d other folders\n", lines, files, others
    if (!NR) print "No tracked text files."
  }
' >"$TOWNHALL_RESULT_FILE"
echo "done"
