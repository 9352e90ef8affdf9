# How much of each language there is: files, lines, and what they define, counted by the look of a line.
set -eu
cd {repo}

# Agents run as a user of their own, and git asks who owns a repository before it reads it. Paths stay readable.
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="*"
export GIT_CONFIG_KEY_1=core.quotePath GIT_CONFIG_VALUE_1=false

# sum FILES... : the counts of `git grep -c`, added up.
sum() { awk -F : '{ n += $NF } END { print n + 0 }'; }

# language NAME TYPES FUNCTIONS GLOB... : one line of the table, when the repository has such files.
language() {
  name=$1 types=$2 functions=$3
  shift 3
  files=$(git ls-files -- "$@" | wc -l)
  [ "$files" -gt 0 ] || return 0
  echo "counting $files files of $name" >&3
  printf '%s\t%d\t%d\t%d\t%d\n' "$name" "$files" \
    "$(git grep -I -c '' -- "$@" | sum)" "$(git grep -I -c -E "$types" -- "$@" | sum)" "$(git grep -I -c -E "$functions" -- "$@" | sum)"
}

none='^$.'
words='([A-Za-z_]+[[:space:]]+)*'
exec 3>&1
{
  language 'C#' "^[[:space:]]*${words}(class|record|struct|interface|enum|delegate)[[:space:]]+[A-Za-z_]" \
    '^[[:space:]]+(public|internal|private|protected)[^=;(]*[[:space:]][A-Za-z_][A-Za-z0-9_<>]*\(' '*.cs'
  language Python '^[[:space:]]*class[[:space:]]+[A-Za-z_]' '^[[:space:]]*(async[[:space:]]+)?def[[:space:]]+[A-Za-z_]' '*.py'
  language JavaScript "^[[:space:]]*${words}class[[:space:]]+[A-Za-z_]" \
    "(^|[[:space:]])function[[:space:]*]*[A-Za-z_]*\(|=>" '*.js' '*.jsx' '*.mjs' '*.cjs'
  language TypeScript "^[[:space:]]*${words}(class|interface|type|enum)[[:space:]]+[A-Za-z_]" \
    "(^|[[:space:]])function[[:space:]*]*[A-Za-z_]*[(<]|=>" '*.ts' '*.tsx'
  language Go '^type[[:space:]]+[A-Za-z_]' '^func[[:space:]]' '*.go'
  language Rust "^[[:space:]]*(pub(\([a-z]+\))?[[:space:]]+)?(struct|enum|trait|union)[[:space:]]+[A-Za-z_]" \
    '(^|[[:space:]])fn[[:space:]]+[A-Za-z_]' '*.rs'
  language Java "^[[:space:]]*${words}(class|interface|enum|record)[[:space:]]+[A-Za-z_]" \
    '^[[:space:]]+(public|private|protected)[^=;(]*[[:space:]][A-Za-z_][A-Za-z0-9_]*\(' '*.java'
  language Kotlin "^[[:space:]]*${words}(class|interface|object)[[:space:]]+[A-Za-z_]" '(^|[[:space:]])fun[[:space:]]' '*.kt'
  language 'C and C++' '^[[:space:]]*(typedef[[:space:]]+)?(class|struct|union|enum)[[:space:]]+[A-Za-z_]' \
    '^[A-Za-z_][A-Za-z0-9_ *:<>,&]*[[:space:]*&][A-Za-z_~][A-Za-z0-9_:~]*\([^;]*$' '*.c' '*.h' '*.cc' '*.cpp' '*.hpp'
  language Ruby '^[[:space:]]*(class|module)[[:space:]]+[A-Z]' '^[[:space:]]*def[[:space:]]' '*.rb'
  language PHP "^[[:space:]]*${words}(class|interface|trait|enum)[[:space:]]+[A-Za-z_]" '(^|[[:space:]])function[[:space:]]+[A-Za-z_]' '*.php'
  language Shell "$none" '^[[:space:]]*(function[[:space:]]+)?[A-Za-z_][A-Za-z0-9_]*[[:space:]]*\(\)' '*.sh' '*.bash'
  language SQL '^[[:space:]]*(CREATE|create)[[:space:]].*(TABLE|VIEW|TYPE|table|view|type)[[:space:]]' \
    '^[[:space:]]*(CREATE|create)[[:space:]].*(FUNCTION|PROCEDURE|function|procedure)[[:space:]]' '*.sql'
  language Markdown '^#+[[:space:]]' "$none" '*.md'
} | sort -t "$(printf '\t')" -k3,3rn | awk -F '\t' '
  function bar(part, whole,   text, i) {
    for (i = 0; i < int(24 * part / whole + 0.5) || i < 1; i++) text = text "█"
    return text
  }
  NR == 1 { most = $3 > 0 ? $3 : 1; printf "# %-12s %7s %8s %7s %10s\n", "language", "files", "lines", "types", "functions" }
  {
    files += $2; lines += $3
    printf "%-12s %7d %8d %7s %10s  %s\n", $1, $2, $3, $4 ? $4 : "–", $5 ? $5 : "–", bar($3, most)
  }
  END {
    if (NR) printf "\n%d files, %d lines; Markdown counts its headings as types\n", files, lines
    else print "No file of a language this survey knows."
  }
' >"$TOWNHALL_RESULT_FILE"
echo "done"
