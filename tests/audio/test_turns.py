"""The local turn detector on speech, noise and silence."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.audio.turns import (
    TurnDetector,
    TurnEnded,
    TurnStarted,
)

from bench.turns.at_once import DetectorAtOnce, score
from bench.turns.scenes import noise, utterances

RATE = 16000
MS = RATE // 1000


def speech(number, voice="rms", level_db=-23.0):
    return utterances(voice)[number] * 10 ** (level_db / 20)


def silence(ms):
    return np.zeros(ms * MS)


def recorded(*pieces, hiss_db=-70.0):
    signal = np.concatenate(pieces)
    signal = signal + noise("white", len(signal), 1) * 10 ** (hiss_db / 20)
    return np.rint(np.clip(signal, -1, 1) * 32767).astype(np.int16)


def chunked(detector, samples, sizes):
    events, position = [], 0
    for size in [*sizes, len(samples)]:
        events += detector.hear(samples[position : position + size])
        position += size
    return events


@pytest.fixture(scope="module")
def call():
    """Three turns, 1 s apart, and where they are (samples)."""
    pieces, places = [silence(1000)], []
    for number in (2, 1, 3):
        begin = sum(map(len, pieces))
        pieces += [speech(number), silence(1000)]
        places.append((begin, begin + len(pieces[-2])))
    return recorded(*pieces), places


def check_order(events, settled_to):
    """Starts and ends alternate, never go back and never overlap."""
    boundary, open_turn = 0, None
    for event in events:
        assert event.at_sample <= settled_to
        if isinstance(event, TurnStarted):
            assert open_turn is None
            assert boundary <= event.start_sample <= event.onset_sample
            assert event.onset_sample < event.at_sample
            open_turn = event
        else:
            assert open_turn is not None
            assert event.end_of_speech_sample > open_turn.onset_sample
            assert event.end_of_speech_sample <= event.at_sample
            boundary = (
                event.end_of_speech_sample if event.cut else event.at_sample
            )
            open_turn = None


def test_turns_are_where_the_speech_is(call):
    samples, places = call
    events = DetectorAtOnce(RATE).hear(samples)
    assert [type(e) for e in events] == [TurnStarted, TurnEnded] * 3
    check_order(events, len(samples))
    for (begin, end), started, ended in zip(
        places, events[::2], events[1::2], strict=True
    ):
        assert abs(started.onset_sample - begin) <= 160 * MS
        assert started.start_sample == started.onset_sample - 300 * MS
        assert started.start_sample <= begin  # nothing of the word is lost
        assert abs(ended.end_of_speech_sample - end) <= 100 * MS
        waited = ended.at_sample - ended.end_of_speech_sample
        assert 500 * MS <= waited < 532 * MS
        assert not ended.cut


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 9000), max_size=25))
def test_any_chunking_gives_the_same_events(call, sizes):
    samples, _ = call
    whole = DetectorAtOnce(RATE, max_turn_ms=2000)
    pieces = DetectorAtOnce(RATE, max_turn_ms=2000)
    expected = whole.hear(samples)
    assert chunked(pieces, samples, sizes) == expected
    assert len(expected) > 6
    assert pieces.position == len(samples)
    for place in range(0, len(samples), RATE // 4):
        assert pieces.speech_since(place) == whole.speech_since(place)


def test_single_samples_are_enough(call):
    samples = call[0][: 2 * RATE]
    expected = DetectorAtOnce(RATE).hear(samples)
    detector = DetectorAtOnce(RATE)
    events = chunked(detector, samples, [1] * len(samples))
    assert events == expected != []


@settings(max_examples=12, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 9000), max_size=25),
    delays=st.lists(st.integers(0, 40), max_size=200),
)
def test_scores_may_come_at_any_time(call, sizes, delays):
    samples, _ = call
    expected = DetectorAtOnce(RATE, max_turn_ms=2000).hear(samples)
    detector = TurnDetector(RATE, max_turn_ms=2000)
    events, known, delays = [], [], iter(delays)
    position, settled_to = 0, 0
    for size in [*sizes, *[800] * 200]:
        detector.push(samples[position : position + size])
        position += size
        for _ in range(next(delays, 10)):
            known += score(detector.memory, detector.take_windows())
            if not known:
                break
            events += detector.scored(known.pop(0))
            # Never back: what was decided stays so.
            undecided = detector.undecided or detector.position
            assert undecided >= settled_to
            settled_to = undecided
    while known := known + score(detector.memory, detector.take_windows()):
        events += detector.scored(known.pop(0))
    assert detector.undecided is None
    assert events == expected


def test_soft_windows_are_decided_with_the_loud_one_behind_them():
    """As the model is asked about them only for its sake, what they decide is
    known no earlier than what it does."""
    tone = (3000 * np.sin(np.arange(512) / 3)).astype(np.int16)
    quiet = np.zeros(512, np.int16)
    detector = TurnDetector(RATE)
    detector.push(np.concatenate([tone, *[quiet] * 12, tone]))
    # The gate stays open for eight windows.
    first = detector.take_windows()
    assert [window.end // 512 for window in first] == list(range(1, 10))
    # It takes four windows of speech to begin a turn.
    assert detector.undecided == 4 * 512
    for _ in first:
        assert detector.scored(0.0) == []
    second = detector.take_windows()
    assert [window.end // 512 for window in second] == list(range(10, 15))
    for missing in range(len(second), 0, -1):
        assert detector.undecided == (14 * 512 if missing >= 4 else None)
        assert detector.waits
        assert detector.scored_to == (14 - missing) * 512
        detector.scored(0.0)
    assert not detector.waits
    assert detector.scored_to == 14 * 512


def test_what_is_undecided_waits_for_the_first_event_that_may_come():
    tone = (3000 * np.sin(np.arange(512 * 60) / 3)).astype(np.int16)
    detector = TurnDetector(RATE, max_turn_ms=0)

    def push(windows):
        detector.push(tone[: 512 * windows])
        return len(detector.take_windows())

    def scored(count, score):
        return [e for _ in range(count) for e in detector.scored(score)]

    assert push(3) == 3
    assert detector.undecided is None
    assert scored(2, 1.0) == []
    # With the one that is missing and one more there are four.
    assert push(1) == 1
    assert detector.undecided == 4 * 512
    assert len(scored(2, 1.0)) == 1
    # 500 ms of silence end it: the 16th window of silence does.
    assert push(15) == 15
    assert detector.undecided is None
    assert scored(3, 0.0) == []
    assert push(1) == 1
    assert detector.undecided == 20 * 512
    # Speech in between puts it off.
    assert scored(1, 1.0) == []
    assert detector.undecided is None
    with_tail = TurnDetector(RATE, tail_ms=100)
    with_tail.push(tone[:512])
    assert with_tail.undecided == 512


def test_what_the_model_heard_before_leaves_no_trace(call):
    samples, _ = call
    first = DetectorAtOnce(RATE)
    expected = first.hear(samples)
    first.hear(samples[RATE : 2 * RATE])  # leave in mid-word
    second = DetectorAtOnce(RATE)
    second.memory = first.memory
    assert second.hear(samples) == expected


@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_other_rates_find_the_same_turns(call, rate):
    import soxr

    samples, _ = call
    other = soxr.resample(samples, RATE, rate)
    expected = DetectorAtOnce(RATE).hear(samples)
    events = DetectorAtOnce(rate).hear(other)
    assert [type(e) for e in events] == [type(e) for e in expected]
    for event, wanted in zip(events, expected, strict=True):
        seconds = event.at_sample / rate - wanted.at_sample / RATE
        assert abs(seconds) < 0.15


@pytest.mark.parametrize("kind", ["white", "pink", "hum", "keyboard"])
@pytest.mark.parametrize("level_db", [-60, -35, -15])
@pytest.mark.parametrize("rate", [8000, 24000])
def test_noise_starts_nothing(kind, level_db, rate):
    sound = noise(kind, 5 * RATE, 7) * 10 ** (level_db / 20)
    sound[: RATE // 2] = 0  # it begins suddenly
    samples = np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16)
    detector = DetectorAtOnce(rate)
    assert detector.hear(samples) == []
    assert not detector.turn_open


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(5 * RATE, np.int16),
        np.full(5 * RATE, 12000, np.int16),
        np.where(np.arange(5 * RATE) % 2, 32767, -32768).astype(np.int16),
        np.random.default_rng(0).integers(-32768, 32768, 5 * RATE),
    ],
    ids=["digital silence", "offset", "square at 8 kHz", "full-scale noise"],
)
def test_what_is_no_sound_starts_nothing(samples):
    assert DetectorAtOnce(RATE).hear(samples.astype(np.int16)) == []


@pytest.mark.parametrize("level_db", [-45, -23, -10])
def test_a_short_word_is_a_turn_at_any_level(level_db):
    for voice in ("rms", "slt", "awb"):
        samples = recorded(
            silence(800), speech(11, voice, level_db), silence(800),
            hiss_db=-80,
        )  # fmt: skip
        events = DetectorAtOnce(RATE).hear(samples)
        assert [type(e) for e in events] == [TurnStarted, TurnEnded]


def test_speech_from_the_very_first_sample():
    samples = recorded(speech(2), silence(700))
    started, _ = DetectorAtOnce(RATE).hear(samples)
    assert started.start_sample == 0
    assert started.onset_sample <= 160 * MS


@pytest.mark.parametrize(("silence_ms", "turns"), [(300, 2), (900, 1)])
def test_the_pause_that_ends_a_turn_is_silence_duration(silence_ms, turns):
    samples = recorded(
        silence(500), speech(3), silence(600), speech(5), silence(1100)
    )
    detector = DetectorAtOnce(RATE, silence_duration_ms=silence_ms)
    events = detector.hear(samples)
    assert len(events) == 2 * turns
    check_order(events, len(samples))


def test_padding_does_not_reach_into_the_turn_before():
    samples = recorded(
        silence(500), speech(3), silence(500), speech(5), silence(500)
    )
    detector = DetectorAtOnce(
        RATE, silence_duration_ms=200, prefix_padding_ms=2000
    )
    events = detector.hear(samples)
    assert events[0].start_sample == 0
    assert events[2].start_sample == events[1].at_sample
    check_order(events, len(samples))


@pytest.fixture(scope="module")
def monologue():
    parts = [utterances(v)[k] for v in ("rms", "awb") for k in (9, 6, 2, 4)]
    joined = np.concatenate(parts) * 10 ** (-23 / 20)
    return recorded(silence(400), joined, silence(800))


@pytest.mark.parametrize("max_ms", [2000, 5000])
def test_an_endless_turn_is_cut_at_a_quiet_place(monologue, max_ms):
    detector = DetectorAtOnce(RATE, max_turn_ms=max_ms)
    events = detector.hear(monologue)
    check_order(events, len(monologue))
    cuts = [e for e in events if isinstance(e, TurnEnded) and e.cut]
    assert len(cuts) >= 20000 // max_ms
    levels = []
    for cut, following in zip(cuts, events[2::2], strict=False):
        age = cut.at_sample - cut.end_of_speech_sample
        assert 50 * MS <= age <= 370 * MS
        # The next turn takes over where this one was cut.
        assert following.start_sample == cut.end_of_speech_sample
        around = monologue[cut.end_of_speech_sample - 800 :][:1600]
        levels.append(10 * np.log10(np.mean(around.astype(float) ** 2)))
    whole = 10 * np.log10(np.mean(monologue.astype(float) ** 2))
    assert np.median(levels) < whole - 15
    for started, ended in zip(events[::2], events[1::2], strict=True):
        length = ended.at_sample - started.start_sample
        assert length <= max_ms * MS


def test_no_bound_means_no_cut(monologue):
    events = DetectorAtOnce(RATE, max_turn_ms=0).hear(monologue)
    assert len(events) == 2


def test_a_cut_in_the_closing_silence_opens_no_empty_turn():
    """The bound strikes after the last word, before the silence is over."""
    samples = recorded(silence(500), speech(2), silence(3000))
    detector = DetectorAtOnce(RATE, max_turn_ms=7000, silence_duration_ms=2000)
    events = detector.hear(samples)
    assert [type(e) for e in events] == [TurnStarted, TurnEnded]
    assert events[1].cut
    assert not detector.turn_open


def test_finalize_ends_the_turn_here(call):
    samples, places = call
    detector = DetectorAtOnce(RATE)
    assert detector.finalize() is None
    middle = sum(places[0]) // 2 + 5
    (started,) = detector.hear(samples[:middle])
    assert detector.turn_open
    assert detector.speech_since(places[0][0]) is not None
    ended = detector.finalize()
    assert ended.at_sample == middle
    assert started.onset_sample < ended.end_of_speech_sample <= middle
    assert not ended.cut
    assert not detector.turn_open
    assert detector.speech_since(middle) is None
    assert detector.finalize() is None
    events = detector.hear(samples[middle:])
    assert len(events) == 6  # the rest of the word is the next turn
    assert events[0].start_sample >= middle
    check_order(events, len(samples))


def test_speech_since_tells_speech_from_silence(call):
    samples, places = call
    detector = DetectorAtOnce(RATE)
    detector.hear(samples)
    (_, end) = places[-1]
    assert detector.speech_since(end - 200 * MS) is not None
    assert detector.speech_since(end + 200 * MS) is None


@pytest.mark.parametrize("length_ms", [110, 125])
def test_speech_since_tells_where_what_is_no_turn_yet_began(call, length_ms):
    """Behind a pause that is longer than all that is remembered."""
    samples, places = call
    begin = places[0][0]
    detector = DetectorAtOnce(RATE)
    detector.hear(np.zeros(3 * RATE, np.int16))
    detector.hear(samples[: begin + length_ms * MS])
    assert not detector.turn_open
    onset = detector.speech_since(0)
    assert onset is not None
    assert abs(onset - (3 * RATE + begin)) <= 40 * MS


def test_streams_that_alternate_do_not_hear_each_other(call):
    samples, _ = call
    expected = DetectorAtOnce(RATE).hear(samples)
    one, other = DetectorAtOnce(RATE), DetectorAtOnce(RATE)
    late = np.concatenate((np.zeros(RATE, np.int16), samples))
    events, shifted = [], []
    for position in range(0, len(late), 320):
        events += one.hear(samples[position : position + 320])
        shifted += other.hear(late[position : position + 320])
    assert events == expected
    assert [type(e) for e in shifted] == [type(e) for e in expected]


def test_silence_is_not_shown_to_the_model(call):
    detector = TurnDetector(RATE)

    def asked(samples):
        detector.push(samples)
        count = 0
        while windows := detector.take_windows():
            count += len(windows)
            for _ in windows:
                detector.scored(0.0)
        return count

    assert asked(np.zeros(20 * RATE, np.int16)) == 0
    steady = noise("white", 20 * RATE, 3) * 0.01 * 32767
    # Of 625 windows: until the floor is known.
    assert asked(steady.astype(np.int16)) < 100
    assert asked(call[0]) > 100


def test_sounds_far_apart_do_not_add_up():
    """Blips of 96 ms every half second, eight of them, are no 320 ms."""
    vowel = speech(2)[8000 : 8000 + 96 * MS]
    blips = [np.concatenate((vowel, silence(400)))] * 8
    detector = DetectorAtOnce(RATE, min_speech_ms=320)
    assert detector.hear(recorded(silence(500), *blips)) == []
    assert detector.speech_since(0)  # it was heard, though


def test_memory_stays_flat(call):
    """A hundred times the same minute costs what one costs."""
    samples = call[0]
    detector = DetectorAtOnce(RATE, max_turn_ms=3000)
    frames = [samples[k : k + 160] for k in range(0, len(samples), 160)]

    def pass_over(times):
        for _ in range(times):
            for frame in frames:
                detector.hear(frame)

    pass_over(1)
    tracemalloc.start()
    try:
        pass_over(1)
        before, _ = tracemalloc.get_traced_memory()
        pass_over(6)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"rate": 44100}, "rate: 44100 Hz"),
        ({"rate": 0}, "rate: 0 Hz"),
        ({"threshold": 0.0}, "threshold: 0.0"),
        ({"threshold": 1.5}, "threshold: 1.5"),
        ({"prefix_padding_ms": -1}, "prefix_padding_ms: -1"),
        ({"silence_duration_ms": 10}, "silence_duration_ms: 10"),
        ({"max_turn_ms": 500}, "max_turn_ms: 500"),
        ({"min_speech_ms": -5}, "min_speech_ms: -5"),
    ],
)
def test_wrong_settings_are_named(arguments, field):
    with pytest.raises(ValueError, match=f"^{field}"):
        DetectorAtOnce(**{"rate": RATE, **arguments})


def test_wrong_samples_are_named():
    with pytest.raises(TypeError, match="samples: int16"):
        DetectorAtOnce(RATE).hear(np.zeros(10))


# -- where silence is not sent ------------------------------------------------


def tailed(**options):
    return DetectorAtOnce(RATE, tail_ms=100, **options)


def test_a_turn_has_so_much_of_the_silence_behind_it(call):
    sound, places = call
    events = tailed().hear(sound)
    ends = [e for e in events if isinstance(e, TurnEnded)]
    assert len(ends) == len(places)
    for ended in ends:
        assert ended.end_sample == ended.end_of_speech_sample + 100 * MS
    for ended in DetectorAtOnce(RATE).hear(sound):
        if isinstance(ended, TurnEnded):
            assert ended.end_sample == ended.at_sample


def test_up_to_where_a_turn_is_known_to_go(call):
    sound, _ = call
    detector, shown = tailed(), []
    for at in range(0, len(sound), 10 * MS):
        events = detector.hear(sound[at : at + 10 * MS])
        known_to = detector.known_to
        assert (known_to is None) is not detector.turn_open
        for event in events:
            if isinstance(event, TurnEnded):
                # No more than that was to be sent.
                assert event.end_sample == shown[-1]
        shown.append(known_to)
    assert {known is None for known in shown} == {True, False}


def test_it_is_quiet_where_nothing_stands_out():
    begin = 4000 * MS
    sound = recorded(silence(4000), speech(2), silence(1500), hiss_db=-80)
    detector, quiet = DetectorAtOnce(RATE), []
    for at in range(0, len(sound), 10 * MS):
        detector.hear(sound[at : at + 10 * MS])
        if detector.quiet:
            quiet.append(at + 10 * MS)
            assert not detector.speaking
    end = begin + len(speech(2))
    assert max(at for at in quiet if at < end) < begin + 64 * MS
    assert [at for at in quiet if begin - 32 * MS <= at < begin]
    assert min(at for at in quiet if at > end) > end + 400 * MS
    assert quiet[-1] == len(sound)


@pytest.mark.parametrize("sound_ms", [0, 60])
def test_a_finalize_takes_a_sound_that_may_be_a_beginning(sound_ms):
    hiss = noise("white", RATE, 5)[: sound_ms * MS] * 0.001
    before = [silence(1000), speech(2), silence(300)]
    sound = recorded(*before, hiss, silence(15))
    detector = tailed()
    detector.hear(sound)
    assert detector.turn_open
    ended = detector.finalize()
    if sound_ms:
        assert ended.end_sample == len(sound)
    else:
        assert ended.end_sample == ended.end_of_speech_sample + 100 * MS


def test_a_soft_beginning_may_hide_in_noise():
    pieces = [silence(1000), speech(2), silence(1000)]
    leads = []
    for hiss_db in (-80.0, -40.0):
        sound = recorded(*pieces, hiss_db=hiss_db)
        [started, _] = tailed(prefix_padding_ms=100).hear(sound)
        leads.append(started.onset_sample - started.start_sample)
    assert leads[0] == 100 * MS < leads[1]
