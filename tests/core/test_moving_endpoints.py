"""The list of endpoints changes while they come and go: whatever happens,
each change is answered, and each finalize."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from scripted_core import CREATED, SETTINGS, UPDATED, WALL
from sim import SILENCE, find_speech, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.change import ANSWER_S
from ten_packages.extension.openai_asr_python.realtime.endpoints import (
    Endpoint,
)
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.link import Link
from ten_packages.extension.openai_asr_python.realtime.results import (
    FinalizeEnd,
    SettingsChanged,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

TURN = word_audio(1) * 4 + SILENCE * ms(700)
TRANSCRIPTION = "conversation.item.input_audio_transcription."
FAULTS = (
    Fault("retry", "gone", "not reachable"),
    Fault("retry", "gone", "not reachable"),
    Fault("fatal", "invalid_api_key", "the key is refused"),
)
PLACES = ("a", "b", "c", "d")
#: So many steps has one call.
STEPS = 150


class Moving:
    """One call, its services, and who configures it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 100.0
        primary, *others = self._some()
        self.core = Transcription(
            primary.settings,
            Limits(fallback_after_ms=2000, fallback_retry_ms=10_000),
            protocol="auto",
            find_speech=find_speech,
            rng=random.Random(seed),
            address=primary.address,
            fallbacks=others,
        )
        self.core.start(self.now)
        self.down = {place: self.rng.random() < 0.4 for place in PLACES}
        self.dialing = False
        self.links: list[Link] = []
        self.items = 0
        self.last: dict[Link, str] = {}
        self.asked_at: float | None = None
        self.finalizes = 0
        #: Those without an answer.
        self.open: set[int] = set()

    def _some(self) -> list[Endpoint]:
        """Endpoints as a user might configure them."""
        rng = self.rng
        places = rng.sample(PLACES, rng.choice((1, 1, 2, 2, 3)))
        prompt = rng.choice(("", "", "other"))
        return [
            Endpoint(
                replace(
                    SETTINGS,
                    prompt=prompt,
                    endpoint=f"fallbacks[{at - 1}]" if at else "",
                    model=rng.choice(("gpt-transcribe", "whisper-1")),
                ),
                place,
            )
            for at, place in enumerate(places)
        ]

    # -- what may happen ----------------------------------------------------

    def step(self) -> None:
        do = self.rng.choice(
            (
                *(self.pass_time,) * 5,
                *(self.serve,) * 4,
                *(self.speak,) * 2,
                self.change,
                self.hurry,
                self.finalize,
                self.come_or_go,
                self.drop,
            )
        )
        do()
        self.look()

    def change(self) -> None:
        if self.asked_at is not None:
            return
        primary, *others = self._some()
        if self.rng.random() < 0.5:
            # The first one stays.
            first = self.core.in_use.endpoints[0]
            primary = replace(first, settings=first.settings)
        self.asked_at = self.now
        self.core.change(
            primary.settings,
            self.now,
            address=primary.address,
            fallbacks=others,
            by_session=self.rng.random() < 0.1,
        )

    def hurry(self) -> None:
        self.core.hurry(self.now)

    def finalize(self) -> None:
        self.finalizes += 1
        self.open.add(self.finalizes)
        self.core.finalize(self.finalizes, self.now)

    def speak(self) -> None:
        self.core.audio(TURN)
        if self.rng.random() < 0.7:
            self.core.commit()
        self.core.exchange.settle(self.now)

    def come_or_go(self) -> None:
        place = self.rng.choice(PLACES)
        self.down[place] = not self.down[place]

    def drop(self) -> None:
        for link in self.links[:]:
            if self.rng.random() < 0.5:
                self.links.remove(link)
                code = self.rng.choice((1006, 1011, 1000))
                self.core.exchange.closed(link, code, "", self.now)

    def serve(self) -> None:
        """A connection is opened, or comes to nothing; events arrive."""
        exchange = self.core.exchange
        if self.dialing:
            attempt = self.core.sessions.attempt
            if attempt is None:
                # It was broken off.
                self.dialing = False
            elif not self.down[str(attempt.address)]:
                self.dialing = False
                self.links.append(exchange.opened(self.now, WALL))
            elif self.rng.random() < 0.7:
                self.dialing = False
                exchange.failed(self.rng.choice(FAULTS), self.now)
        for link in self.links:
            if self.rng.random() < 0.8:
                self.answer(link)

    def answer(self, link: Link) -> None:
        exchange, rng = self.core.exchange, self.rng
        events: list[dict[str, Any]] = []
        if not link.session.ready:
            events = [CREATED, UPDATED]
        while message := exchange.next_message(link, self.now):
            asked = json.loads(message)
            if asked["type"] == "session.update" and link.session.ready:
                refusal = {"type": "invalid_request_error", "message": "no"}
                error = {"type": "error", "error": refusal}
                events.append(rng.choice((UPDATED, UPDATED, error)))
            elif asked["type"] == "input_audio_buffer.commit":
                self.items += 1
                item, previous = str(self.items), self.last.get(link)
                self.last[link] = item
                kind = "input_audio_buffer.committed"
                events += (
                    {
                        "type": kind,
                        "item_id": item,
                        "previous_item_id": previous,
                    },
                    {
                        "type": TRANSCRIPTION
                        + rng.choice(("completed",) * 5 + ("failed",)),
                        "item_id": item,
                        "transcript": "words",
                        "error": {"type": "server_error", "message": "no"},
                    },
                )
        for event in events:
            exchange.receive(link, json.dumps(event), self.now)

    # -- time ---------------------------------------------------------------

    def pass_time(self) -> None:
        until = self.now + self.rng.choice((0.01, 0.2, 0.2, 1.0, 3.0, 9.0))
        spins = 0
        while (due := self.core.exchange.deadline()) is not None:
            if due > until:
                break
            spins = spins + 1 if due <= self.now else 0
            at = self.core.sessions.due_at()
            if spins > 20 and at is not None and at <= self.now:
                # Somebody has to dial.
                break
            assert spins < 40, "its deadline does not move on"
            self.now = max(self.now, due)
            self.core.exchange.tick(self.now)
            self.look()
        self.now = until

    def look(self) -> None:
        """Do what the client does after every input."""
        exchange = self.core.exchange
        for link in self.links[:]:
            if link.must_close:
                self.links.remove(link)
                exchange.closed(link, 1000, "", self.now)
            elif link.take_ping():
                exchange.pong(link, self.now)
        if self.core.sessions.attempt is None and exchange.next_attempt(
            self.now
        ):
            self.dialing = True
        results = self.core.results
        while results:
            result = results.popleft()
            if isinstance(result, SettingsChanged):
                assert self.asked_at is not None, "nobody asked"
                self.asked_at = None
            elif isinstance(result, FinalizeEnd):
                # Once more where its words came after its time.
                self.open.discard(int(str(result.token)))
        self.check()

    def check(self) -> None:
        if self.asked_at is not None:
            assert self.now <= self.asked_at + ANSWER_S + 0.1, "no answer"


@pytest.mark.parametrize("block", range(8))
def test_each_change_and_each_finalize_is_answered(block: int) -> None:
    for seed in range(100 * block, 100 * (block + 1)):
        call = Moving(seed)
        for _ in range(STEPS):
            call.step()
        for _ in range(20):
            call.pass_time()
            call.look()
        assert (call.asked_at, call.open) == (None, set()), seed
