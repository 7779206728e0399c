"""One speech model for all calls of the process, in a thread of its own.

What is due is scored together, one window of each stream at a time, so a
stream with much to score keeps nobody waiting.  While the model runs it does
not hold the interpreter.  A thread that wakes up takes the interpreter from the
loop, which costs both of them more than the model takes for a window: so it is
woken once for what a loop has gathered for some ms, and the loop once for each
batch.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from ..audio.model import SpeechModel, StreamMemory
from ..audio.turns import Window
from ..connection.alarm import Alarm

#: Who asks first waits for others of its loop, so many seconds; less where
#: somebody is in a hurry; and no longer when enough are there.
_GATHER_S, _HURRY_S = 0.13, 0.005
_ENOUGH = 32
#: Windows in a batch at most, which bounds what a batch takes.
_MOST = 32
#: At exit a batch under way is waited for, in seconds.
_LAST_BATCH_S = 1.0

#: A probability, or why there is none.
Answer = float | Exception


@dataclass(eq=False)
class ScoreStream:
    """One stream's way to the model; belongs to the loop that made it.

    ``on_answer`` is called on that loop, once for each window, in order.
    """

    memory: StreamMemory
    on_answer: Callable[[Answer], None]
    gathering: Gathering

    def ask(self, windows: Sequence[Window]) -> None:
        """Have these scored; returns at once."""
        self.gathering.add(
            [_Ask(self, self.memory, window) for window in windows]
        )

    def hurry(self, within_s: float = _HURRY_S) -> None:
        """What was asked must not wait any longer than that."""
        self.gathering.hurry(within_s)

    def cancel(self) -> None:
        """No answer follows to what was asked, and the model shall forget what
        it heard."""
        self.memory = StreamMemory(self.memory.rate)

    def close(self) -> None:
        """Nobody asks any more.  A model that hangs keeps what was asked, which
        must not keep all of a call."""
        self.cancel()
        self.on_answer = lambda answer: None


@dataclass(eq=False, slots=True)
class _Ask:
    stream: ScoreStream
    #: Of the stream, as it was asked: another one since, and it is cancelled.
    memory: StreamMemory
    window: Window
    answer: Answer = 0.0

    @property
    def wanted(self) -> bool:
        return self.memory is self.stream.memory


class Gathering:
    """What the streams of ``loop`` ask, until ``pass_on`` is given it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pass_on: Callable[[list[_Ask]], None],
    ) -> None:
        self.loop = loop
        self._pass_on = pass_on
        self._asks: list[_Ask] = []
        self._alarm = Alarm(self._end)

    def add(self, asks: list[_Ask]) -> None:
        """These wait for more."""
        self._asks += asks
        self.hurry(0.0 if len(self._asks) >= _ENOUGH else _GATHER_S)

    def hurry(self, within_s: float) -> None:
        """What there is does not wait any longer than that."""
        if not self._asks:
            return
        if within_s:
            self._alarm.ring_by(self.loop.time() + within_s)
        else:
            self._end()

    def _end(self) -> None:
        self._alarm.cancel()
        asks, self._asks = self._asks, []
        self._pass_on(asks)


class Scoring:
    """``load`` makes the model, in the thread, when the first call wants it."""

    def __init__(self, load: Callable[[], SpeechModel] = SpeechModel) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._loaded: Future[None] | None = None
        self._thread: threading.Thread | None = None
        self._gatherings: dict[asyncio.AbstractEventLoop, Gathering] = {}
        #: None: the end.
        self._asked: queue.SimpleQueue[list[_Ask] | None] = queue.SimpleQueue()

    async def ready(self) -> None:
        """Wait until the model is loaded; raises what loading it raised, and
        then the next one to ask has it tried again."""
        await asyncio.wrap_future(self._running())

    def stream(
        self, memory: StreamMemory, on_answer: Callable[[Answer], None]
    ) -> ScoreStream:
        """For a stream of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            for other in list(self._gatherings):
                if other.is_closed():
                    del self._gatherings[other]
            gathering = self._gatherings.get(loop)
            if gathering is None:
                gathering = Gathering(loop, self._put)
                self._gatherings[loop] = gathering
        return ScoreStream(memory, on_answer, gathering)

    def _put(self, asks: list[_Ask]) -> None:
        self._asked.put(asks)
        if self._thread is None or not self._thread.is_alive():
            loaded = self._running()
            if loaded.done() and (error := loaded.exception()) is not None:
                self._refuse(error)

    def _running(self) -> Future[None]:
        """See to it that the thread is there; done when it has the model."""
        with self._lock:
            thread, loaded = self._thread, self._loaded
            if loaded is not None and thread is not None:
                failed = loaded.done() and loaded.exception() is not None
                if thread.is_alive() and not failed:
                    return loaded
            self._loaded = loaded = Future()
            # Whoever gives up waiting does not take it from the others.
            loaded.set_running_or_notify_cancel()
            self._thread = threading.Thread(
                target=self._run,
                args=(loaded,),
                name="openai-asr-speech-model",
                daemon=True,
            )
            # A thread that the interpreter ends while it is in C code may
            # take the process with it.
            atexit.unregister(self.close)
            atexit.register(self.close)
            try:
                self._thread.start()
            except RuntimeError as error:
                # The system has no thread to give now.
                self._thread = None
                loaded.set_exception(error)
            return loaded

    def close(self) -> None:
        """End the thread."""
        self._asked.put(None)
        if self._thread is not None:
            self._thread.join(_LAST_BATCH_S)

    def _refuse(self, error: BaseException) -> None:
        """There is no model for what was asked: whoever asks next may have it
        tried again."""
        refused: list[_Ask] = []
        with contextlib.suppress(queue.Empty):
            while asks := self._asked.get_nowait():
                refused += asks
        answer = error if isinstance(error, Exception) else RuntimeError()
        for ask in refused:
            ask.answer = answer
        _hand_over(refused)

    # -- in the thread ----------------------------------------------------

    def _run(self, loaded: Future[None]) -> None:
        try:
            model = self._load()
        except BaseException as error:
            loaded.set_exception(error)
            self._refuse(error)
            return
        loaded.set_result(None)
        backlog: dict[ScoreStream, deque[_Ask]] = defaultdict(deque)
        while self._gather(backlog):
            _hand_over(_score_by_rate(model, _next_batch(backlog)))

    def _gather(self, backlog: dict[ScoreStream, deque[_Ask]]) -> bool:
        """Take what is due, and wait if there is nothing; False: the end."""
        while not backlog or not self._asked.empty():
            asks = self._asked.get()
            if asks is None:
                return False
            for ask in asks:
                backlog[ask.stream].append(ask)
        return True


def _next_batch(backlog: dict[ScoreStream, deque[_Ask]]) -> list[_Ask]:
    """The oldest ask of each stream; who had a turn goes behind the others."""
    batch = []
    for stream in list(itertools.islice(backlog, _MOST)):
        asks = backlog.pop(stream)
        batch.append(asks.popleft())
        if asks:
            backlog[stream] = asks
    return batch


def _score_by_rate(model: SpeechModel, batch: list[_Ask]) -> list[_Ask]:
    """Score a batch; returns those who still want to know."""
    wanted = [ask for ask in batch if ask.wanted]
    rates: dict[int, list[_Ask]] = defaultdict(list)
    for ask in wanted:
        rates[ask.memory.rate].append(ask)
    for asks in rates.values():
        _score(model, asks)
    return wanted


def _hand_over(answered: list[_Ask]) -> None:
    """Each loop is woken once."""
    loops: dict[asyncio.AbstractEventLoop, list[_Ask]] = defaultdict(list)
    for ask in answered:
        loops[ask.stream.gathering.loop].append(ask)
    for loop, asks in loops.items():
        try:
            loop.call_soon_threadsafe(_take_answers, asks)
        except RuntimeError:
            # It is closed, and so are its calls.
            continue


def _score(model: SpeechModel, asks: list[_Ask]) -> None:
    try:
        for ask in asks:
            if ask.window.fresh:
                ask.memory.forget()
        scores = model.score(
            [ask.memory for ask in asks], [ask.window.samples for ask in asks]
        )
        for ask, score in zip(asks, scores, strict=True):
            ask.answer = score
    except Exception as error:
        if len(asks) == 1:
            asks[0].answer = error
            return
        # Whose fault it is shows when each is alone.
        for ask in asks:
            _score(model, [ask])


def _take_answers(asks: list[_Ask]) -> None:
    rest = deque(asks)
    try:
        while rest:
            ask = rest.popleft()
            if ask.wanted:
                ask.stream.on_answer(ask.answer)
    finally:
        if rest:
            # A fault in one call is none of the others'.
            asyncio.get_running_loop().call_soon(_take_answers, list(rest))


#: The one of this process.
SCORING = Scoring()
