# shellcheck shell=bash
# Progress and errors for every script: lines with the elapsed time on stderr.
#
# Standard output stays free for results (a path, a host). Functions here never
# decide anything; `die` is the only one that ends the script.
# Next: packages.sh (what is installed), engine.sh (which engine is used).

# Scripts that call each other share one clock.
: "${SCALECTL_STARTED:=$(date +%s)}"
export SCALECTL_STARTED

# A line of progress: what happens now, in the present tense.
step() {
    printf '[%4ds] %s\n' "$(($(date +%s) - SCALECTL_STARTED))" "$*" >&2
}

# More about the step above.
note() {
    printf '        %s\n' "$*" >&2
}

# Something the reader should know, which does not stop the script.
warn() {
    printf 'warning: %s\n' "$*" >&2
}

# die MESSAGE [HINT...]: what is wrong, what to do about it, exit 1.
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    local hint
    for hint in "$@"; do
        printf 'hint: %s\n' "$hint" >&2
    done
    exit 1
}

# run_logged WHAT LOGFILE COMMAND...: runs a long command with its output in
# LOGFILE, says every 20 s that it still runs, shows the last lines if it fails.
# Returns the command's own exit code.
run_logged() {
    local what=$1 log=$2 began code=0
    shift 2
    began=$(date +%s)
    step "$what"
    "$@" >"$log" 2>&1 &
    local pid=$! ticks=0
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        ticks=$((ticks + 1))
        if ((ticks % 100 == 0)); then
            note "still running after $(($(date +%s) - began)) s: $(_last_line "$log")"
        fi
    done
    wait "$pid" || code=$?
    if ((code != 0)); then
        note "ended with code $code; the last lines of $log:"
        tail -n 20 "$log" | sed 's/^/        | /' >&2
    fi
    return "$code"
}

# Progress bars use carriage returns: only what is after the last one counts.
_last_line() {
    tail -n 1 "$1" | tr '\r' '\n' | tail -n 1 | cut -c1-100
}
