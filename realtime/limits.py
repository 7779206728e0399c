"""Every bound of a call in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds, all in ms; the README's table documents those that a user may
    set."""

    #: Undelivered audio kept for sending again.
    max_buffer_ms: int = 120_000
    #: A turn that nobody ends is committed at the latest after this.
    max_turn_ms: int = 30_000
    #: A finalize is answered at the latest after this.
    finalize_timeout_ms: int = 5_000
    #: From a turn's commit to its final: then that is its text so far; 0: the
    #: server's last word is waited for.
    final_timeout_ms: int = 0
    #: From the end of a turn to its text, then it is sent again once; and where
    #: it is sent as a file, which some need as long to hear as it lasts.
    turn_timeout_ms: int = 15_000
    file_timeout_ms: int = 30_000
    #: Where a call has other endpoints: without a ready session one of them is
    #: tried after the first, and the first one again after the second.
    fallback_after_ms: int = 4_000
    fallback_retry_ms: int = 60_000
    #: A server that says nothing of its own accord is spoken to after this.
    speak_first_ms: int = 2_000
    #: Without an answer to the session's settings: tell the user, and give up
    #: waiting.
    unconfirmed_ms: int = 3_000
    session_timeout_ms: int = 10_000
    #: Audio in one message, live and when catching up.
    packet_ms: int = 40
    replay_packet_ms: int = 200
    #: And while a local detector hears that nobody speaks.
    quiet_packet_ms: int = 200
    #: How long the server may take to notice speech that it has received.
    settle_ms: int = 300
    #: A detector that lives on for so long without a word heard silence.
    quiet_after_ms: int = 2_000
    #: PING while audio flows and while it does not; wait for the PONG.
    ping_ms: int = 3_000
    idle_ping_ms: int = 20_000
    pong_timeout_ms: int = 6_000
    #: Audio sent ahead of the last PONG; at half of it a PING goes out.
    window_ms: int = 8_000
    #: An ``error`` event may be followed by CLOSE; both are one report.
    close_grace_ms: int = 500

    @property
    def close_grace_s(self) -> float:
        """``close_grace_ms`` in seconds."""
        return self.close_grace_ms / 1000

    def answer_s(self, as_file: bool) -> float:
        """From the end of a turn to its text, in seconds."""
        ms = self.file_timeout_ms if as_file else self.turn_timeout_ms
        return ms / 1000
