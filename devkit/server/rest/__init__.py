"""``POST /v1/audio/transcriptions``: whole files over HTTP."""
