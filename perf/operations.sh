#!/usr/bin/env bash
# What an operator does with a relay, one thing after the other, on a store of a million events and
# under load, with the time each takes and its exit code.
#
#   perf/operations.sh [EVENTS]           BIN=target/release RATE=2000 SCRATCH=/tmp
#
# A relay with fsync on the loopback is filled; then RATE events a second are published and delivered
# to a subscriber by axon-perf, until it is stopped. Everything is in a new directory of SCRATCH,
# which goes when this ends; it needs about 5 GB for a million events. What a command says is kept
# in its operations.log until then; the last words of one that fails are printed.
set -euo pipefail

EVENTS=${1:-1000000}
BIN=${BIN:-target/release}
RATE=${RATE:-2000}
ROUND_S=20 # seconds of one round of load: the next one has events of its own
ROUNDS_MAX=60
DIR=$(mktemp -d "${SCRATCH:-/tmp}/axon-operations.XXXXXX")
LOG=$DIR/operations.log
LISTEN=127.0.0.1:${PORT:-17447}
HTTP=127.0.0.1:${HTTP_PORT:-17448}
RELAY=0 LOAD=0 FAILED=0

axon() { "$BIN/axon" "$@" --config "$DIR/axon.toml"; }
other() { "$BIN/axon" "$@" --config "$DIR/other.toml"; }
perf() { "$BIN/axon-perf" "$@" --url "ws://$LISTEN"; }

stop_load() {
    # The round that is under way breaks off with its relay or by its own end.
    if ((LOAD)); then touch "$DIR/enough" && wait "$LOAD" || true; fi
    LOAD=0
}
clean_up() {
    ((RELAY)) && kill -KILL "$RELAY" 2>/dev/null && wait "$RELAY" 2>/dev/null || true
    stop_load
    rm -rf "$DIR"
}
trap clean_up EXIT

configuration() { # name, data directory, address, HTTP address
    cat >"$DIR/$1.toml" <<END
[relay]
listen = "$3"
data_dir = "$DIR/$2"
durability = "fsync"
[http]
listen = "$4"
[gather]
enabled = false
[log]
level = "warn"
END
}

start() {
    "$BIN/axon" serve --config "$DIR/axon.toml" >>"$DIR/relay.log" 2>&1 &
    RELAY=$!
    until curl -sf "http://$HTTP/healthz" >/dev/null; do kill -0 "$RELAY" && sleep 0.01; done
}
drain() {
    local pid=$RELAY
    RELAY=0
    kill -TERM "$pid" && wait "$pid"
}

metric() { curl -sf "http://$HTTP/metrics" | awk -v name="$1" '$1 == name { print int($2) }'; }

load() {
    for ((round = 2; round < ROUNDS_MAX; round++)); do
        [[ -e $DIR/enough ]] && return
        # A kind of its own: its subscriber begins with nothing stored.
        perf latency --seed "$round" --kind $((10000 + round)) --rate "$RATE" --seconds "$ROUND_S" --count $((RATE * ROUND_S)) \
            --subscribers 1 --no-spin >>"$DIR/load.log" 2>&1 || sleep 1
    done
}

# op NAME COMMAND...: runs it, and prints what it took.
op() {
    local name=$1 code=0 begun ended
    shift
    echo "== $name" >>"$LOG"
    begun=$EPOCHREALTIME
    "$@" >>"$LOG" 2>&1 </dev/null || code=$?
    ended=$EPOCHREALTIME
    printf '%-46s %10.2f %5d\n' "$name" "$(awk "BEGIN { print $ended - $begun }")" "$code"
    if ((code)); then FAILED=1 && tail -n 5 "$LOG" | sed 's/^/    /'; fi
}

# Until the rule has taken away all but so many of the events that were there.
retention() {
    local purged
    printf '[retention]\ninterval_ms = 1000\n[[retention.rules]]\ncount_max = %d\n' "$1" >>"$DIR/axon.toml"
    axon reload
    until purged=$(metric axon_purged_events_total) && ((purged >= $2)); do sleep 0.1; done
}

configuration axon data "$LISTEN" "$HTTP"
configuration other other 127.0.0.1:0 ""
perf keys ingest >>"$DIR/axon.toml"
for ((round = 2; round < ROUNDS_MAX; round++)); do
    perf keys latency --seed "$round" --subscribers 1 >>"$DIR/axon.toml"
done
OPERATOR=$("$BIN/axon" keygen --out "$DIR/operator.pem" --json | grep -oE '[0-9a-f]{64}' | head -n 1)
printf '[[allow]]\npubkey = "%s"\nrole = "auditor"\n' "$OPERATOR" >>"$DIR/axon.toml"

start
echo "filling with $EVENTS events" >&2
perf ingest --count "$EVENTS" --warmup 1 --seconds 3600 >>"$LOG" 2>&1
load &
LOAD=$!
sleep 5

EXPORT=$DIR/export BACKUP=$DIR/backup TENTH=$((EVENTS / 10))
printf '%-46s %10s %5s\n' "$(metric axon_log_head) events, $RATE more a second" seconds exit
op "reload" axon reload
op "stat" axon stat
op "tail of 100 and of what comes" timeout 60 "$BIN/axon" tail -n 100 --count 200 --url "ws://$LISTEN" --key "$DIR/operator.pem"
op "check" axon check
op "check --deep" axon check --deep
op "backup, the first" axon backup "$BACKUP"
op "backup, what is new" axon backup "$BACKUP"
op "restore" axon restore "$BACKUP" --to "$DIR/restored"
op "check of the restored" axon check --set "relay.data_dir=$DIR/restored"
op "export" axon export --out "$EXPORT"
op "import into another, stopped relay" other import "$EXPORT"
op "check --deep of the other" other check --deep
op "delete a tenth, dry run" axon delete --all --up-to "$TENTH" --dry-run
op "delete a tenth" axon delete --all --up-to "$TENTH" --yes
op "retention of half of it, by a rule and reload" retention $((EVENTS / 2)) $((TENTH * 4))
op "SIGTERM under load, until it has ended" drain
op "check --deep, stopped" axon check --deep
op "repair, nothing to cut" axon repair
op "start, until it serves" start
op "check after the restart" axon check
stop_load
op "SIGTERM" drain
echo
echo "the load meanwhile, by whole rounds of $ROUND_S s:"
grep -hE '^ +(ack|delivery) ' "$DIR/load.log" || true
exit $FAILED
