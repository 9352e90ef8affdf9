# The fake agent: does what the first line of its task says, and writes what it did to a journal that survives it.
# usage: sh agent.sh JOURNAL <task      first line of the task: MODE [ARGUMENT [STEP]]
# One line a fact, synced before the next step: FACT TASK EPOCH SECONDS PID, seconds by the machine's monotonic clock.
journal=$1
read -r mode argument step
mark() {
  read -r seconds rest < /proc/uptime
  printf '%s %s %s %s %s\n' "$1" "$TOWNHALL_TASK_ID" "$TOWNHALL_ATTEMPT" "$seconds" "$$" |
    dd of="$journal" oflag=append conv=notrunc,fsync status=none
}
mark start
case $mode in
  sleep) sleep "$argument" ;;
  # A mark every 100 ms, or every STEP seconds: shows when this attempt made progress, and when it was frozen.
  tick) n=0; while [ "$n" -lt "$argument" ]; do sleep "${step:-0.1}"; mark tick; n=$((n + 1)); done ;;
  # The same, counted from when there is a file named gate; a second attempt is short.
  again) [ "$TOWNHALL_ATTEMPT" -eq 1 ] || argument=2; while [ ! -e "${journal%/*}/gate" ]; do sleep "$step"; mark tick; done; n=0; while [ "$n" -lt "$argument" ]; do sleep "$step"; mark tick; n=$((n + 1)); done ;;
  # Only the first attempt takes long.
  first) [ "$TOWNHALL_ATTEMPT" -gt 1 ] || sleep "$argument" ;;
  crash) kill -SEGV $$ ;;
  code) mark end; exit "$argument" ;;
  deaf) trap '' TERM INT HUP; n=0; while [ "$n" -lt "$argument" ]; do sleep 0.1; mark tick; n=$((n + 1)); done ;;
  children) n=0; while [ "$n" -lt "$argument" ]; do setsid sleep 600 & n=$((n + 1)); done ;;
  # The grandchild keeps standard output open.
  holder) setsid sleep "$argument" & ;;
  # Megabytes without a newline, then what terminals and databases do not like.
  flood) head -c "$((argument * 1048576))" /dev/zero | tr '\0' 'x'; printf '\033[31m\000\377\355\240\200\n' ;;
  # tail has to keep what it may have to print.
  memory) head -c "$((argument * 1048576))" /dev/zero | tail -c "$((argument * 1048576))" > /dev/null || exit 9 ;;
  spin) end=$(($(date +%s) + argument)); while [ "$(date +%s)" -lt "$end" ]; do :; done ;;
esac
mark end
echo "done by attempt $TOWNHALL_ATTEMPT"
