"""What to do about errors: the texts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """A title of a few words, what to do, the settings that act on it."""

    title: str
    todo: str
    settings: tuple[str, ...] = ()


#: By a text that our own messages have; the first one that is found counts.
OURS: tuple[tuple[str, Advice], ...] = (
    (
        "invalid property:",
        Advice(
            "A property is wrong",
            "Correct the property that the message names; nothing is heard"
            " until then.",
        ),
    ),
    (
        "the buffer is full",
        Advice(
            "Audio was dropped: the buffer was full",
            "The service was away for longer than the buffer holds. Raise the"
            " bound, or name a second endpoint to take over.",
            ("max_buffer_ms", "fallbacks"),
        ),
    ),
    (
        "the call was given up",
        Advice(
            "Audio was dropped: the call had been given up",
            "See the fatal error before it; update_configs can revive a call.",
        ),
    ),
    (
        "the service said nothing about it",
        Advice(
            "Audio was dropped: the service did not hear speech in it",
            "Listen to it. If it is speech, lower the threshold; if it is"
            " music or noise, all is well.",
            ("turn_detection.threshold", "input_audio_noise_reduction"),
        ),
    ),
    (
        "the call was stopped before",
        Advice(
            "The end of the call was not transcribed",
            "Send asr_finalize and wait for asr_finalize_end before the graph"
            " stops, or give the stop more time.",
            ("stop_timeout_ms",),
        ),
    ),
    (
        "no final result within",
        Advice(
            "A finalize ran into its bound",
            "The service took longer than the bound. A larger bound waits"
            " for it, a smaller one answers sooner.",
            ("finalize_timeout_ms", "final_timeout_ms"),
        ),
    ),
    (
        "says nothing about the sound",
        Advice(
            "The service was silent about sound",
            "Another session got the sound. If this happens with music or"
            " noise, a higher threshold or noise reduction helps; if it is"
            " speech, the service is at fault.",
            ("turn_detection.threshold", "input_audio_noise_reduction"),
        ),
    ),
    (
        "began a turn and does not end it",
        Advice(
            "The service did not end a turn",
            "Another session got the audio. Background noise can keep a turn"
            " open: a higher threshold, or local turn detection, ends it.",
            ("turn_detection.threshold", "turn_detection.type"),
        ),
    ),
    (
        "no result for a turn",
        Advice(
            "The service sent no result for a turn",
            "It was sent again. If it goes on, try another model or endpoint.",
            ("model", "fallbacks"),
        ),
    ),
    (
        "did not answer a commit",
        Advice(
            "The service did not answer a commit",
            "The audio was sent again. If it goes on, try another endpoint.",
            ("fallbacks",),
        ),
    ),
    (
        "ends while it transcribes this turn",
        Advice(
            "A turn ended every session that got it",
            "Its audio was given up so that the call could go on. Report it"
            " to the service, with this page.",
        ),
    ),
    (
        "does not answer, or does not read",
        Advice(
            "The server stopped answering",
            "The connection was given up. On a slow network, give it more"
            " time.",
            ("peer_timeout_ms",),
        ),
    ),
    (
        "session.updated",
        Advice(
            "The server does not confirm its settings",
            "Compatible servers may not know the GA dialect: set the protocol"
            " instead of leaving it to be found out.",
            ("protocol",),
        ),
    ),
    (
        "takes over from",
        Advice(
            "Another endpoint took over",
            "See why in the message. The first one is tried again from time"
            " to time.",
            ("fallback_after_ms", "fallback_retry_ms"),
        ),
    ),
    (
        "is back, in place of",
        Advice("The first endpoint is back", "Nothing is to be done."),
    ),
    (
        "refused the session settings",
        Advice(
            "The service refused the settings",
            "Take away or correct the option that the message names; what"
            " each model takes is in docs/compatibility.md.",
            ("session", "turn_detection", "include"),
        ),
    ),
    (
        "the next session is refused",
        Advice(
            "The next session is refused",
            "Send another key, or what the message asks for, with"
            " update_configs before the running session ends.",
            ("api_key",),
        ),
    ),
    (
        "transcription failed",
        Advice(
            "The service failed to transcribe a turn",
            "It was sent again before it was given up. If it goes on, try"
            " another model or endpoint.",
            ("model", "fallbacks"),
        ),
    ),
    (
        "audio frame",
        Advice(
            "Audio frames were refused or cut",
            "Make the sender's sample rate, channels and width those of its"
            " data.",
            ("sample_rate", "channels"),
        ),
    ),
    (
        "asr_finalize",
        Advice(
            "A finalize has no id",
            "Give each asr_finalize a finalize_id.",
        ),
    ),
    (
        "internal error",
        Advice(
            "A fault of the extension's own",
            "The call went on. Please report it, with this page.",
        ),
    ),
    (
        "certificate is refused",
        Advice(
            "The server's certificate is refused",
            "Name the CA that signed it, or correct the host.",
            ("ca_file", "base_url"),
        ),
    ),
    (
        "broke off",
        Advice(
            "The connection broke off",
            "The extension reconnected and sent again what had no text yet."
            " If it happens often, look at the network between here and the"
            " service.",
            ("fallbacks",),
        ),
    ),
    (
        "proxy",
        Advice(
            "The proxy gave no connection",
            "Correct the proxy of the environment, which the message names.",
        ),
    ),
    (
        "no connection within",
        Advice(
            "No connection in time",
            "Look at network, firewall and address; or allow more time.",
            ("base_url", "connect_timeout_ms"),
        ),
    ),
    (
        "the connection was refused",
        Advice(
            "Nobody listens at the address",
            "Correct the address, or start the server.",
            ("base_url",),
        ),
    ),
    (
        "cannot connect",
        Advice(
            "No connection",
            "Look at network, name resolution and address.",
            ("base_url",),
        ),
    ),
)
_KEY = Advice(
    "", "Use a key that is valid for this service.", ("api_key", "auth")
)
_MODEL = Advice(
    "", "Name a model that this account may use.", ("model", "family")
)
_MONEY = Advice("", "Raise the quota or the limit of the account.")
_RATE = Advice(
    "",
    "Ask for a higher rate limit, or name a second endpoint.",
    ("fallbacks",),
)
#: What to do about a sign of the product's table.
SIGNS = {
    "invalid_api_key": _KEY,
    "unauthorized": _KEY,
    "authentication_error": _KEY,
    "permission_error": _KEY,
    "3000": _KEY,
    "401": _KEY,
    "403": _KEY,
    "invalid_model": _MODEL,
    "missing_model": _MODEL,
    "model_not_found": _MODEL,
    "insufficient_quota": _MONEY,
    "credit_balance_exhausted": _MONEY,
    "organization_spend_limit_exceeded": _MONEY,
    "rate_limit_exceeded": _RATE,
    "rate_limit_error": _RATE,
    "429": _RATE,
    "404": Advice("", "Correct the address.", ("base_url",)),
    "beta_api_shape_disabled": Advice("", "Use the GA dialect.", ("protocol",)),
}
