"""Voicemail: takes calls that nobody else can, keeps what callers say, tells it once.

The row is on disk before the tone, the file grows with the message, and row and voicemail.received are written
together when it is over: a core that is killed at any point tells what there is at its next start, once.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from core.audio import PcmFormat
from core.call import Call, Handled
from core.call_book import CallBook
from core.call_care import CallCare
from core.call_fsm import Wish, check
from core.call_message import LEAST_SPEECH_MS, take_message, words_since
from core.clock import new_voicemail_id, rfc3339, unix_s
from core.config import Config, state_dir
from core.conversation import Conversation
from core.errors import NotFound, NotNow, PublicError
from core.line import Direction, EndReason
from core.log import Log
from core.media.codecs import decode_audio
from core.speaking import Said
from core.speech import SpeechService
from core.store import voicemail as rows
from core.store.erase import Judge
from core.store.store import Store
from core.talk import Talk
from core.voicemail_file import MessageFile, Recorded, mend, read_message, remove
from core.voicemail_text import spoken_ms, transcribe

log = Log("voicemail")

PRUNE_EVERY_S = 3600.0
GREETING_S = 180.0
SKIP_KEY = "#"
HANG_UP_S = 120.0
"""More than the hang-up of a modem that resists; the message is told then, whatever the call does."""
REMOTE_WORDS_S = 5.0
"""How long a recogniser elsewhere has for the last words of a message."""


@dataclass(frozen=True, slots=True)
class _Message:
    """One that is recorded and not told yet. started_ms: of the line's time. cut: the disk took only its beginning."""

    row: rows.VoicemailRow
    started_ms: int
    cut: bool


class VoicemailService:
    """One per core."""

    def __init__(
        self, config: Config, store: Store, speech: SpeechService, book: CallBook, talk: Talk, care: CallCare
    ) -> None:
        self._config, self._store, self._speech = config.call, store, speech
        self._book, self._talk, self._care = book, talk, care
        self._ours: set[str] = set()
        """Messages of this run that are not told yet: _recover is for those of the last one."""
        self.directory = voicemail_dir(config)

    async def run(self) -> None:
        """Tells what the last run left untold, then forgets what is too old, for ever."""
        try:
            await self._recover()
        except Exception:  # whatever is wrong with old messages, new ones can be taken
            log.exception("messages of the last run were not told")
        while True:
            if self._config.voicemail_keep_days:
                try:
                    await self._prune()
                except PublicError as problem:
                    log.warning("old messages were not deleted", kind=problem.kind)
            await asyncio.sleep(PRUNE_EVERY_S)

    # --- whose call it is --------------------------------------------------------------------------------------------

    def connected(self, call: Call) -> None:
        """A call was answered: takes it where the policy says so, or a client did."""
        if call.direction is not Direction.IN or call.handled is not None:
            return
        unsteered = call.claim is None or call.claim.session is None
        policy = self._config.voicemail
        by_policy = call.by_policy and (policy == "always" or (policy == "no_brain" and unsteered))
        if call.mailbox or by_policy:
            self._begin(call)

    def fallback(self, call: Call) -> bool:
        """Nobody steers this active call any more. Whether voicemail has it now."""
        if self._config.voicemail == "off" or call.direction is not Direction.IN or call.handled is not None:
            return False
        self._begin(call)
        return True

    def take(self, call: Call) -> None:
        """A client's wish for an active call. NotNow."""
        check(Wish.SPEAK, call.state)
        if call.direction is not Direction.IN:
            raise NotNow("Only callers can leave a message; this is a call of ours.")
        if call.handled is not None:
            raise NotNow(f"The call is in the hands of {call.handled} already.")
        self._begin(call)

    def _begin(self, call: Call) -> None:
        call.handled = Handled.VOICEMAIL
        call.changed.set()
        self._book.spawn(self._serve(call), "call.voicemail")

    # --- one call ----------------------------------------------------------------------------------------------------

    async def _serve(self, call: Call) -> None:
        """From the greeting to the last word; the call is over then, whatever fails."""
        message = None
        try:
            conversation = await self._talk.take_over(call)
            await self._greet(call, conversation)
            if call.live:
                message = await self._record(call, conversation)
        except PublicError as problem:
            log.warning("voicemail could not take the message", call_id=call.call_id, kind=problem.kind)
        except Exception:  # a caller must not be left on a silent line for a mistake of ours
            log.exception("voicemail failed", call_id=call.call_id)
        if call.live:
            thanks = self._config.voicemail_thanks if message is not None else None
            await self._care.say_goodbye(call, thanks)
        if message is not None:
            await call.ended_within(HANG_UP_S)
            await self._understand(call, message)
            self._ours.discard(message.row.voicemail_id)

    async def _greet(self, call: Call, conversation: Conversation) -> None:
        said = await self._greeting(call, conversation)
        skip = asyncio.Event()
        call.on_key = lambda key: skip.set() if key == SKIP_KEY else None
        try:
            async with asyncio.timeout(GREETING_S):
                while not (said.done.is_set() or skip.is_set() or await call.ended_within(0.05)):
                    pass
        except TimeoutError:
            log.warning("the greeting never ended", call_id=call.call_id)
        finally:
            call.on_key = None
        if not said.done.is_set() and call.live:
            conversation.stop_speaking()

    async def _greeting(self, call: Call, conversation: Conversation) -> Said:
        """Of the line, of all lines, or as configured; a file that can't be played is replaced by the text."""
        wanted = await self.greeting(call.line)
        pcm = None
        if wanted.audio is not None:
            try:
                pcm = await asyncio.to_thread(decode_audio, wanted.audio, conversation.format.rate_hz)
            except PublicError as problem:
                log.error("the greeting can't be played; its text is spoken", problem=problem.message)
        speaking = self._talk.conversation(call).speaking  # that took its time: the caller may be gone
        if pcm is not None:
            return speaking.play(pcm, interruptible=False)
        return speaking.speak(wanted.text or self._config.voicemail_greeting, interruptible=False)

    async def _record(self, call: Call, conversation: Conversation) -> _Message | None:
        """None where nothing was said, or nothing can be kept."""
        row = rows.VoicemailRow(
            voicemail_id=new_voicemail_id(),
            call_id=call.call_id,
            line=call.line,
            number=call.number,
            withheld=call.withheld,
            language=call.settings.language,
            created_at=rfc3339(),
        )
        self._ours.add(row.voicemail_id)
        await self._store.write(lambda tx: rows.insert(tx, row))
        path = self._path(row.voicemail_id)
        file = MessageFile(path, PcmFormat(conversation.format.rate_hz))
        self._book.spawn(file.run(), "call.voicemail.file")
        try:
            taken = await take_message(
                call,
                conversation,
                max_s=self._config.voicemail_max_s,
                silence_s=self._config.voicemail_silence_s,
                file=file,
            )
        finally:
            await file.close()
        log.info("message taken", call_id=call.call_id, end=taken.end, spoken_ms=taken.spoken_ms)
        if not taken.spoken or file.problem is not None and file.duration_s == 0:
            await self._discard(row.voicemail_id)
            return None
        duration_s = file.duration_s
        await self._store.write(lambda tx: rows.complete(tx, row.voicemail_id, duration_s))
        return _Message(row, taken.started_ms, file.problem is not None)

    async def _understand(self, call: Call, message: _Message) -> None:
        """The words, and then the event: by what was understood during the call, else from the file."""
        if call.settings.stt_engine == "remote":
            await asyncio.sleep(REMOTE_WORDS_S)
        heard, whole = await words_since(self._store, call.call_id, message.started_ms)
        recorded = await asyncio.to_thread(read_message, self._path(message.row.voicemail_id))
        if recorded is None:
            log.error("the file of a message is gone", call_id=call.call_id)
            recorded = Recorded(b"", 8000)
        text = heard if whole else await self._words(recorded, message.row.language) or heard
        partial = message.cut or call.reason is EndReason.MODEM_LOST
        await self._tell(message.row.voicemail_id, recorded, text, partial=partial)

    async def _words(self, recorded: Recorded, language: str | None) -> str | None:
        return await transcribe(self._speech, recorded, language or self._config.language)

    async def _tell(self, voicemail_id: str, recorded: Recorded, text: str | None, *, partial: bool) -> None:
        duration_s = recorded.duration_s
        await self._store.write(
            lambda tx: rows.receive(tx, voicemail_id, duration_s=duration_s, text=text, partial=partial)
        )

    # --- after a crash -----------------------------------------------------------------------------------------------

    async def _recover(self) -> None:
        left = [row for row in await self._store.read(rows.unfinished) if row.voicemail_id not in self._ours]
        for row in left:
            path = self._path(row.voicemail_id)
            recorded = await asyncio.to_thread(read_message, path)
            if recorded is None or await asyncio.to_thread(spoken_ms, recorded) < LEAST_SPEECH_MS:
                await self._discard(row.voicemail_id)
                continue
            await asyncio.to_thread(mend, path, recorded)
            text = await self._words(recorded, row.language)
            await self._tell(row.voicemail_id, recorded, text, partial=row.duration_s == 0)
            log.warning("a message of the last run was told", partial=row.duration_s == 0)

    async def _prune(self) -> None:
        before = rfc3339(max(0.0, unix_s() - self._config.voicemail_keep_days * 86_400))
        for voicemail_id in await self._store.read(lambda conn: rows.older_than(conn, before)):
            await self._discard(voicemail_id)

    async def _discard(self, voicemail_id: str) -> None:
        """The file first: what is left after a crash in between is a row without audio, never audio without a row."""
        await asyncio.to_thread(remove, self._path(voicemail_id))
        await self._store.write(lambda tx: rows.delete(tx, voicemail_id))
        self._ours.discard(voicemail_id)

    # --- what clients ask --------------------------------------------------------------------------------------------

    def _path(self, voicemail_id: str) -> Path:
        return self.directory / f"{voicemail_id}.wav"

    async def get(self, voicemail_id: str) -> rows.VoicemailRow:
        """NotFound, also for one that is still being recorded."""
        row = await self._store.read(lambda conn: rows.get(conn, voicemail_id))
        if row is None or row.state != "received":
            raise NotFound("There is no voicemail with this id.")
        return row

    async def audio(self, voicemail_id: str) -> tuple[Path, Recorded]:
        """NotFound."""
        row = await self.get(voicemail_id)
        path = self._path(row.voicemail_id)
        recorded = await asyncio.to_thread(read_message, path)
        if recorded is None:
            raise NotFound("The audio of this voicemail is gone.")
        return path, recorded

    async def delete(self, voicemail_id: str) -> None:
        """NotFound."""
        row = await self.get(voicemail_id)
        await self._discard(row.voicemail_id)

    async def forget(self, judge: Judge) -> int:
        """Removes the audio of all messages of one party, before its rows are erased; gives how many files went."""
        known = await self._store.read(rows.parties)
        mine = await asyncio.to_thread(lambda: [each for each, number, line in known if judge(number, line)])
        return sum([await asyncio.to_thread(remove, self._path(voicemail_id)) for voicemail_id in mine])

    async def greeting(self, line: str) -> rows.Greeting:
        """What callers of this line hear now."""
        kept = await self._store.read(lambda conn: rows.greeting(conn, line))
        if kept is not None:
            return kept
        if (file := self._config.voicemail_greeting_file) is not None:
            try:
                return rows.Greeting(audio=await asyncio.to_thread(Path(file).read_bytes))
            except OSError as problem:
                log.error("voicemail_greeting_file can't be read", problem=problem.strerror)
        return rows.Greeting(text=self._config.voicemail_greeting)


def voicemail_dir(config: Config) -> Path:
    """Where messages lie: as configured, else beside the store."""
    if config.call.voicemail_dir is not None:
        return Path(config.call.voicemail_dir)
    return (Path(config.store.path).parent if config.store.path else state_dir()) / "voicemail"
