"""Files over HTTP with the vendor's own client."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import soundfile
from file_client import (
    KEY,
    RATE,
    SAMPLES,
    TEXT,
    TIMES,
    TURNS,
    WAV,
    audio_file,
    http_url,
)

from devkit.script_audio import speak
from devkit.server import Faults, LocalServer, ServerThread
from devkit.server.rest.segments import spoken_parts
from devkit.server.script_engine import ScriptEngine

openai = pytest.importorskip("openai", reason="vendor SDK, tests only")
FILE = ("a.wav", WAV)
SPEECH = Path(__file__).resolve().parents[2] / "samples" / "call.wav"
TOKENS = {"type": "tokens", "input_tokens": 24, "output_tokens": 3}
#: A client of its own for each would leave connections open for other tests.
HTTP = openai.DefaultHttpxClient()


@pytest.fixture(scope="module", autouse=True)
def closing() -> Iterator[None]:
    with HTTP:
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(keys=[KEY]) as running:
        yield running


@pytest.fixture(scope="module")
def create(server: ServerThread) -> Any:
    return client(server).audio.transcriptions.create


def client(server: LocalServer, api_key: str = KEY, **options: Any) -> Any:
    return openai.OpenAI(
        api_key=api_key,
        base_url=http_url(server),
        max_retries=0,
        http_client=HTTP,
        **options,
    )


def srt(point: str, number: bool) -> str:
    cues = []
    for count, (start, end) in enumerate(TURNS, 1):
        times = [f"00:00:{t:06.3f}".replace(".", point) for t in (start, end)]
        text = TEXT[:15] if count == 1 else TEXT[16:]
        head = f"{count}\n" if number else ""
        cues.append(f"{head}{times[0]} --> {times[1]}\n{text}\n\n")
    return "".join(cues)


def test_whisper_in_every_format(create: Any) -> None:
    def made(form: str, **more: Any) -> Any:
        return create(
            file=FILE, model="whisper-1", response_format=form, **more
        )

    plain = made("json")
    assert plain.text == TEXT
    assert plain.usage.to_dict() == {"type": "duration", "seconds": 3}
    # Without effect, as documented.
    assert made("json", extra_body={"stream": "true"}).text == TEXT
    assert made("text") == TEXT + "\n"
    assert made("srt") == srt(",", True)
    assert made("vtt") == "WEBVTT\n\n" + srt(".", False)
    verbose = made(
        "verbose_json",
        language="pt",
        prompt="words",
        temperature=0.2,
        timestamp_granularities=["segment"],
    )
    assert verbose.text == TEXT
    assert verbose.language == "portuguese"
    assert verbose.duration == len(SAMPLES) / RATE
    assert verbose.usage.seconds == 3
    assert [(s.start, s.end) for s in verbose.segments] == TURNS
    assert [s.text for s in verbose.segments] == [" " + TEXT[:15], TEXT[15:]]
    assert [s.id for s in verbose.segments] == [0, 1]


@pytest.mark.parametrize("model", ["gpt-4o-transcribe", "gpt-transcribe"])
def test_a_stream_of_events(create: Any, model: str) -> None:
    *deltas, done = create(file=FILE, model=model, stream=True)
    assert [event.delta for event in deltas] == [
        "w000001",
        " w000002",
        " w000003",
    ]
    assert done.type == "transcript.text.done"
    assert done.text == TEXT
    if model == "gpt-transcribe":
        assert [language.code for language in done.languages] == ["en"]
    else:
        assert done.usage.to_dict().items() >= TOKENS.items()


async def test_the_asynchronous_client() -> None:
    async with (
        LocalServer(keys=[KEY]) as server,
        openai.AsyncOpenAI(
            api_key=KEY, base_url=http_url(server), max_retries=0
        ) as client,
    ):
        create = client.audio.transcriptions.create
        model = "gpt-4o-mini-transcribe"
        many = [create(file=FILE, model=model) for _ in range(20)]
        for plain in await asyncio.gather(*many):
            assert plain.text == TEXT
            assert plain.usage.to_dict().items() >= TOKENS.items()
        stream = await create(file=FILE, model=model, stream=True)
        texts = [event async for event in stream]
        assert texts[-1].text == TEXT
        assert len(server.requests) == 21
        assert {r.transcript for r in server.requests} == {TEXT}


def test_logprobs_come_with_the_models_that_have_them(create: Any) -> None:
    known = {"file": FILE, "model": "gpt-4o-transcribe"}
    plain = create(**known, include=["logprobs"])
    assert "".join(one.token for one in plain.logprobs) == TEXT
    assert create(**known).logprobs is None
    *deltas, done = create(**known, include=["logprobs"], stream=True)
    assert all(event.logprobs for event in deltas)
    assert len(done.logprobs) == 3
    for other in (
        {**known, "response_format": "text"},
        {"file": FILE, "model": "whisper-1"},
    ):
        with pytest.raises(openai.BadRequestError, match="logprobs"):
            create(**other, include=["logprobs"])


def test_diarized_segments_have_one_speaker(create: Any) -> None:
    known = {"file": FILE, "model": "gpt-4o-transcribe-diarize"}
    whole = create(**known, response_format="diarized_json")
    assert [(s.start, s.end) for s in whole.segments] == TURNS
    assert {s.speaker for s in whole.segments} == {"A"}
    assert whole.text == TEXT
    events = list(create(**known, response_format="diarized_json", stream=True))
    segments = [e for e in events if e.type == "transcript.text.segment"]
    assert [s.id for s in segments] == [s.id for s in whole.segments]
    long = audio_file(np.tile(SAMPLES, 13))
    with pytest.raises(openai.BadRequestError, match="chunking_strategy"):
        create(file=long, model=known["model"])
    whole = create(file=long, model=known["model"], chunking_strategy="auto")
    assert whole.text == " ".join([TEXT] * 13)


def test_the_detector_can_be_told(create: Any, server: ServerThread) -> None:
    def segments(strategy: Any) -> int:
        return len(
            create(
                file=FILE,
                model="whisper-1",
                response_format="verbose_json",
                chunking_strategy=strategy,
            ).segments
        )

    assert segments("auto") == 2
    assert segments({"type": "server_vad", "silence_duration_ms": 900}) == 1
    # As people without the SDK write it.
    whole = {"type": "server_vad", "silence_duration_ms": 10**9}
    assert segments(json.dumps(whole)) == 1
    assert segments({"type": "server_vad", "threshold": 1.0}) == 2


@pytest.mark.parametrize(
    ("samples", "rate", "how"),
    [
        (SAMPLES, RATE, {"form": "FLAC"}),
        (SAMPLES, RATE, {"form": "AIFF"}),
        (SAMPLES / 2**16, RATE, {"form": "WAV", "subtype": "FLOAT"}),
        (np.stack([SAMPLES, SAMPLES], 1), RATE, {"form": "WAV"}),
        (np.repeat(SAMPLES, 3), 3 * RATE, {"form": "FLAC"}),
        (
            np.stack([SAMPLES / 2**15, np.full(len(SAMPLES), np.nan)], 1),
            RATE,
            {"form": "WAV", "subtype": "FLOAT"},
        ),
    ],
    ids=["flac", "aiff", "float", "stereo", "48 kHz", "NaN"],
)
def test_files_of_many_kinds(
    create: Any, samples: Any, rate: int, how: dict[str, Any]
) -> None:
    data = audio_file(samples, rate, **how)
    verbose = create(
        file=data, model="whisper-1", response_format="verbose_json"
    )
    heard = [word for word in verbose.text.split() if word != "<broken>"]
    assert heard == TEXT.split()
    for segment, (start, end) in zip(verbose.segments, TURNS, strict=True):
        assert segment.start == pytest.approx(start, abs=0.02)
        assert segment.end == pytest.approx(end, abs=0.02)


@pytest.mark.parametrize("also", [["segment"], []])
def test_the_times_of_words_are_exact(create: Any, also: list[str]) -> None:
    verbose = create(
        file=FILE,
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["word", *also],
    )
    assert [word.word for word in verbose.words] == TEXT.split()
    for word, (_, start, end) in zip(verbose.words, TIMES, strict=True):
        assert word.start == pytest.approx(start / RATE, abs=0.005)
        assert word.end == pytest.approx(end / RATE, abs=0.005)
    assert (verbose.segments is not None) is bool(also)


def test_an_engine_may_know_no_times_of_words() -> None:
    class Deaf(ScriptEngine):
        async def words(self, samples: Any, rate: int) -> Any:
            return None

    with (
        ServerThread(engine=Deaf()) as server,
        pytest.raises(openai.BadRequestError, match="no times of words"),
    ):
        client(server).audio.transcriptions.create(
            file=FILE,
            model="whisper-1",
            response_format="verbose_json",
            timestamp_granularities=["word"],
        )


@pytest.mark.parametrize("kind", ["MP3", "OGG"])
def test_lossy_files_are_read(create: Any, kind: str) -> None:
    data = audio_file(form=kind)
    text = create(file=data, model="whisper-1").text
    assert "w000002" in text


@pytest.mark.parametrize(
    ("asked", "status", "text"),
    [
        ({"model": "nope"}, 404, "does not exist"),
        ({"model": "gpt-live-transcribe"}, 400, "not supported in the"),
        (
            {"model": "gpt-4o-transcribe", "response_format": "srt"},
            400,
            "Use 'json' or 'text' instead.",
        ),
        ({"response_format": "xml"}, 400, "Supported values are: 'json'"),
        ({"response_format": "diarized_json"}, 400, "not compatible"),
        ({"temperature": float("nan")}, 400, "temperature"),
        ({"temperature": 1.5}, 400, "maximum"),
        ({"timestamp_granularities": ["word"]}, 400, "verbose_json"),
        ({"timestamp_granularities": ["line"]}, 400, "'word', and 'segment'"),
        ({"language": "english"}, 400, "ISO-639-1"),
        ({"languages": ["en"]}, 400, "'languages'"),
        ({"keywords": ["TEN"]}, 400, "'keywords'"),
        ({"model": "gpt-transcribe", "keywords": ["<"]}, 400, "keywords"),
        (
            {"model": "gpt-4o-transcribe-diarize", "prompt": "x"},
            400,
            "'prompt'",
        ),
        ({"known_speaker_names": ["Ann"]}, 400, "knows no speakers"),
        ({"chunking_strategy": "often"}, 400, "'auto', and 'server_vad'"),
        ({"chunking_strategy": {"type": "semantic_vad"}}, 400, "server_vad"),
        (
            {"chunking_strategy": {"type": "server_vad", "threshold": 2}},
            400,
            "maximum",
        ),
        ({"extra_body": {"best_of": 2}}, 400, "'best_of'"),
        ({"extra_body": {"stream": "perhaps"}}, 400, "boolean"),
    ],
)
def test_what_the_service_refuses(
    create: Any, asked: dict[str, Any], status: int, text: str
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        create(**{"file": FILE, "model": "whisper-1", **asked})
    assert caught.value.status_code == status
    assert text in caught.value.body["message"]
    assert caught.value.body["type"] == "invalid_request_error"
    assert caught.value.request_id.startswith("req_")


def test_a_lenient_server_makes_any_format_for_any_model() -> None:
    with ServerThread(lenient=["all"]) as server:
        create = client(server).audio.transcriptions.create
        for model in ("my-own", "gpt-transcribe", "gpt-live-transcribe"):
            made = create(
                file=FILE,
                model=model,
                response_format="srt",
                keywords=["TEN"],
                extra_body={"best_of": 2},
            )
            assert made == srt(",", True)


def test_a_wrong_key(server: ServerThread) -> None:
    other = client(server, "sk-other")
    with pytest.raises(openai.AuthenticationError) as caught:
        other.audio.transcriptions.create(file=FILE, model="whisper-1")
    assert caught.value.body["code"] == "invalid_api_key"


def test_azure_has_paths_and_a_header_of_its_own() -> None:
    with ServerThread(keys=[KEY], azure=True) as server:
        headers = {"api-key": KEY, "Authorization": ""}
        azure = client(server, "unused", default_headers=headers)
        create = azure.audio.transcriptions.create
        assert create(file=FILE, model="my-deployment").text == TEXT


@pytest.mark.parametrize(
    ("faults", "status", "retry_after"),
    [
        ({"refused": 1}, 503, None),
        ({"refused": 1, "refused_status": 404}, 404, None),
        (
            {
                "refused": 1,
                "refused_status": 101,
                "refused_error": "insufficient_quota",
            },
            429,
            None,
        ),
        ({"failed": 1}, 500, None),
        ({"failed": 1, "failed_retry_s": 7}, 429, "7"),
        ({"failed": 1, "failed_code": "invalid_request_error"}, 400, None),
        ({"server_error": 1}, 500, None),
        ({"failed_text": "w000003"}, 500, None),
    ],
)
def test_faults_that_refuse(
    faults: dict[str, Any], status: int, retry_after: str | None
) -> None:
    with ServerThread(faults=Faults(**faults)) as server:
        create = client(server).audio.transcriptions.create
        with pytest.raises(openai.APIStatusError) as caught:
            create(file=FILE, model="whisper-1")
        headers = caught.value.response.headers
        assert caught.value.status_code == status
        assert headers.get("retry-after") == retry_after
        if 1 in faults.values():
            assert server.requests[0].faults == [next(iter(faults))]
            assert create(file=FILE, model="whisper-1").text == TEXT


def test_faults_that_change_an_answer() -> None:
    faults = Faults(drop_after_commit=1, empty_transcript=2, missing_usage=3)
    with ServerThread(faults=faults) as server:
        create = client(server).audio.transcriptions.create
        with pytest.raises(openai.APIConnectionError):
            create(file=FILE, model="whisper-1")
        assert create(file=FILE, model="whisper-1").text == ""
        plain = create(file=FILE, model="whisper-1")
        assert (plain.text, plain.usage) == (TEXT, None)
        # A stream that has begun ends in an event.
        server.inject(failed_text="w000003")
        stream = create(file=FILE, model="gpt-4o-transcribe", stream=True)
        assert next(stream).delta + next(stream).delta == TEXT[:15]
        with pytest.raises(openai.APIError, match="had an error"):
            next(stream)


def test_delays_and_a_client_that_does_not_wait() -> None:
    faults = Faults(never_completed=1, slow_completed=2, slow_completed_ms=1)
    with ServerThread(faults=faults) as server:
        with pytest.raises(openai.APITimeoutError):
            client(server, timeout=0.2).audio.transcriptions.create(
                file=FILE, model="whisper-1"
            )
        record = server.requests[0]
        server.wait_for(lambda: record.ended_at)
        assert record.status is None
        create = client(server).audio.transcriptions.create
        assert create(file=FILE, model="whisper-1").text == TEXT
        assert server.requests[1].faults == ["slow_completed"]


def test_refusals_while_it_runs() -> None:
    with ServerThread(rate_limit=4) as server:
        create = client(server).audio.transcriptions.create

        def refused() -> tuple[int, str | None]:
            with pytest.raises(openai.APIStatusError) as caught:
                create(file=FILE, model="whisper-1")
            headers = caught.value.response.headers
            return caught.value.status_code, headers.get("retry-after")

        server.refuse(http_status=503, retry_after=2)
        assert refused() == (503, "2")
        server.refuse(error="insufficient_quota")
        assert refused() == (429, None)
        server.refuse(False)
        assert create(file=FILE, model="whisper-1").text == TEXT
        assert refused() == (429, None)  # 5 s of audio in a minute


def test_an_engine_that_fails_costs_one_answer() -> None:
    class Broken:
        def warm_up(self) -> None: ...
        def close(self) -> None: ...
        async def transcribe(self, samples: Any, rate: int) -> str:
            raise RuntimeError("no model")

    with ServerThread(Broken()) as server:  # type: ignore[arg-type]
        create = client(server).audio.transcriptions.create
        for model in ("whisper-1", "gpt-4o-transcribe"):
            with pytest.raises(openai.InternalServerError):
                create(file=FILE, model=model, stream=True)


def test_where_somebody_speaks() -> None:
    close_by = speak([[1], [2], [3]], RATE, 450)[0]
    detector = {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 300,
    }

    def parts(samples: Any, loudness: bool) -> list[Any]:
        return spoken_parts(samples, RATE, detector, loudness=loudness)

    found = parts(close_by, False)
    assert len(found) == 3
    for before, after in itertools.pairwise(found):
        assert before.close <= after.begin < after.start
    quiet = close_by // 200
    assert parts(quiet, False) == []
    assert len(parts(quiet, True)) == 3
    noise = np.random.default_rng(1).normal(0, 4, RATE).astype(np.int16)
    assert parts(noise, True) == []


def test_a_text_that_looks_like_markup() -> None:
    class Says:
        def warm_up(self) -> None: ...
        def close(self) -> None: ...
        async def transcribe(self, samples: Any, rate: int) -> str:
            return "<b> & x"

    with ServerThread(Says()) as server:  # type: ignore[arg-type]
        create = client(server).audio.transcriptions.create
        known = {"file": FILE, "model": "whisper-1"}
        vtt = create(**known, response_format="vtt")
        assert "&lt;b&gt; &amp; x\n" in vtt
        assert "<b> & x\n" in create(**known, response_format="srt")


def test_speech_in_a_file() -> None:
    """That the engine is asked in the right way; test_server_speech.py tells
    how well it hears."""
    try:
        server = ServerThread("speech")
    except ImportError as error:
        pytest.skip(str(error))
    samples, rate = soundfile.read(SPEECH, dtype="int16", frames=90_000)
    with server:
        subtitles = client(server).audio.transcriptions.create(
            file=audio_file(samples, rate),
            model="whisper-1",
            response_format="srt",
        )
    times = re.findall(r"^00:00:0(.*) --> 00:00:0(.*)$", subtitles, re.M)
    assert times
    assert "change my appointment" in subtitles.lower()


def test_the_models_are_listed_and_one_is_told(server):
    models = client(server).models
    names = [model.id for model in models.list()]
    assert {"whisper-1", "gpt-live-transcribe"} <= set(names)
    assert models.retrieve("gpt-live-transcribe").object == "model"
    with pytest.raises(openai.NotFoundError) as refusal:
        models.retrieve("gpt/5")
    assert refusal.value.code == "model_not_found"
    stranger = client(server, "sk-other")
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    assert server.sessions == []


def test_a_deployment_is_a_model_of_azures():
    with ServerThread(azure=True, deployments={"ours": "whisper-1"}) as azure:
        models = client(azure).models
        assert models.retrieve("ours").id == "ours"


@pytest.mark.parametrize(
    ("host", "status"), [("evil.example:80", 403), ("localhost:1", 200)]
)
def test_a_name_that_leads_here_gets_no_models(server, host, status):
    """A page of it in a browser would be of the same origin."""
    response = httpx2.get(
        f"{http_url(server)}/models",
        headers={"Host": host, "Authorization": f"Bearer {KEY}"},
    )
    assert response.status_code == status
