#!/bin/sh
# Speak call.txt, one line a turn, into call.wav (16 kHz mono, 16 bit).
#
# Usage: samples/make_sample.sh        (needs Debian's "flite" and "sox")
#
# Turns are 0.8 to 1.5 s apart, in a fixed cycle so that the result is
# the same on every machine. SPLIT_AFTER names a pause inside a turn
# that is too short (0.25 s) to end it.
set -eu

cd "$(dirname "$0")"

need() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "make_sample.sh: $1 is not installed (Debian: apt install $1)" >&2
    exit 2
}
need flite
need sox

if ! flite -lv | grep -qw rms; then
    echo "make_sample.sh: this flite has no voice 'rms'" >&2
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# Speak $1 into $2 and cut the silence flite puts at both ends, so that
# every pause in the recording is one that this script made.
speak() {
    flite -voice rms -t "$1" -o "$work/raw.wav"
    sox -D "$work/raw.wav" -r 16000 -c 1 -b 16 "$2" \
        silence 1 0.02 0.4% reverse silence 1 0.02 0.4% reverse
}

# The short pause follows this sentence; call.txt stays plain text.
SPLIT_AFTER="Let me check that for you."

set -- "$work/lead.wav"
sox -D -n -r 16000 -c 1 -b 16 "$work/lead.wav" trim 0 0.5

turn=0
while IFS= read -r line || [ -n "$line" ]; do
    [ -n "$line" ] || continue
    turn=$((turn + 1))
    case $((turn % 4)) in
        1) pause=0.8 ;;
        2) pause=1.2 ;;
        3) pause=1.0 ;;
        *) pause=1.5 ;;
    esac
    wav="$work/turn$turn.wav"
    case $line in
        "$SPLIT_AFTER "*)
            speak "$SPLIT_AFTER" "$work/first.wav"
            speak "${line#"$SPLIT_AFTER "}" "$work/second.wav"
            sox -D "$work/first.wav" "$work/gap.wav" pad 0 0.25
            sox -D "$work/gap.wav" "$work/second.wav" "$wav" pad 0 "$pause"
            ;;
        *)
            speak "$line" "$work/whole.wav"
            sox -D "$work/whole.wav" "$wav" pad 0 "$pause"
            ;;
    esac
    set -- "$@" "$wav"
done <call.txt

sox -D "$@" "$work/call.wav"
mv "$work/call.wav" call.wav
echo "samples/call.wav: $turn turns, $(soxi -D call.wav) s"
