"""What an end-to-end recogniser says is not always what was said: it invents where there is nothing, and it loops.

Pure: a text and what is known of the sound in, a text or None out. The lists hold what whisper models are widely
reported to say about silence and noise: ends of videos and credits of subtitles, from which they learned.
"""

import re
from dataclasses import dataclass

CHARS_FREE, CHARS_PER_S = 20, 30
"""The most text that a stretch of speech can hold. Quick talkers reach ten syllables a second, 25 letters."""
WEAK_DBFS = -42.0
"""Speech on a phone line has -35 to -15 dBFS; the loudest tenth of a second under this is at most a murmur."""
WEAK_SPEECH_S = 0.25
WEAK_PROBABILITY = 0.6
LOOP_TIMES, LOOP_TIMES_OF_ONE = 4, 8
"""How often in a row something must come to count as a loop; people do say "no no no no"."""
LOOP_WORDS_MAX = 12
LOOP_SHARE = 0.8
"""A text that is a loop to this part, and nothing else, was never said."""

_NOT_SPEECH = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|<\|[^|]*\|>|[♪♫]")
"""What it writes for sounds: [BLANK_AUDIO], (music), *coughs*; and its own marks."""
_LETTERS = re.compile(r"[^\w\s]|_")

_NEVER_SAID = (
    "thanks for watching",
    "thank you for watching",
    "thank you so much for watching",
    "thank you very much for watching",
    "please subscribe",
    "please subscribe to my channel",
    "please subscribe to our channel",
    "like and subscribe",
    "don't forget to subscribe",
    "don't forget to like and subscribe",
    "see you in the next video",
    "i'll see you in the next video",
    "subtitles by the amara org community",
    "transcription by castingwords",
    "untertitel der amara org community",
    "untertitel von stephanie geiges",
    "untertitelung des zdf 2020",
    "untertitelung aufgrund der amara org community",
    "vielen dank fürs zuschauen",
    "sous-titres réalisés par la communauté d'amara org",
    "sous-titrage société radio-canada",
    "merci d'avoir regardé cette vidéo",
    "subtítulos realizados por la comunidad de amara org",
    "suscríbete al canal",
    "gracias por ver el video",
    "legendas pela comunidade amara org",
    "obrigado por assistir",
    "sottotitoli creati dalla comunità amara org",
    "grazie per aver guardato il video",
    "ondertitels ingediend door de amara org gemeenschap",
    "ondertiteling door de amara org gemeenschap",
    "napisy stworzone przez społeczność amara org",
    "dziękuję za oglądanie",
    "titulky vytvořil johnyx",
    "undertekster af amara org fællesskabet",
    "textning nu",
    "altyazı m k",
    "izlediğiniz için teşekkür ederim",
    "abone olmayı unutmayın",
    "субтитры сделал dimatorzok",
    "субтитры создавал dimatorzok",
    "редактор субтитров а семкин корректор а егорова",
    "продолжение следует",
    "спасибо за просмотр",
    "дякую за перегляд",
    "ご視聴ありがとうございました",
    "次の動画でお会いしましょう",
    "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
    "字幕由amara org社区提供",
    "시청해주셔서 감사합니다",
)
"""No caller says these; whisper does, about noise."""
_SELDOM_SAID = (
    "you",
    "thank you",
    "thank you very much",
    "thanks",
    "bye",
    "bye bye",
    "okay",
    "oh",
    "so",
    "the",
    "yeah",
    "hmm",
    "danke",
    "vielen dank",
    "tschüss",
    "merci",
    "gracias",
    "obrigado",
    "grazie",
    "dziękuję",
    "dank je",
    "tack",
    "ačiū",
    "спасибо",
    "дякую",
    "ありがとうございました",
    "谢谢",
    "감사합니다",
)
"""People say these too: believed where there was speech to speak of."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known beside the text: seconds of speech, the loudest tenth of a second, the mean token probability."""

    speech_s: float
    loudest_dbfs: float
    probability: float | None = None

    @property
    def weak(self) -> bool:
        unsure = self.probability is not None and self.probability < WEAK_PROBABILITY
        return unsure or self.speech_s < WEAK_SPEECH_S or self.loudest_dbfs < WEAK_DBFS


def believed(text: str, evidence: Evidence) -> str | None:
    """The text without sounds, phantoms and loops; None where nothing is left, or more than can have been said."""
    text = without_loops(" ".join(_NOT_SPEECH.sub(" ", text).split()))
    if not plain(text) or is_phantom(text, evidence):
        return None
    if len(text) > CHARS_FREE + CHARS_PER_S * evidence.speech_s:
        return None
    return text


def is_phantom(text: str, evidence: Evidence) -> bool:
    """Whether the whole of a text is what whisper says about nothing."""
    said = plain(text)
    return said in _NEVER or (said in _SELDOM and evidence.weak)


def plain(text: str) -> str:
    """Small letters and single spaces, no punctuation."""
    return " ".join(_LETTERS.sub(" ", text.casefold()).split())


def without_loops(text: str) -> str:
    """The same with what repeats and repeats said once; "" where there was nothing but a long loop."""
    spaced = " " in text
    words = text.split() if spaced else list(text)
    keys = [plain(word) or word for word in words]
    kept: list[str] = []
    dropped = at = 0
    while at < len(words):
        length, times = _loop_at(keys, at)
        if times:
            kept += words[at : at + length]
            dropped += length * (times - 1)
            at += length * times
        else:
            kept.append(words[at])
            at += 1
    if words and dropped / len(words) >= LOOP_SHARE:
        return ""
    return (" " if spaced else "").join(kept)


def _loop_at(keys: list[str], at: int) -> tuple[int, int]:
    """Length in words and number of times of a loop that begins there; (0, 0) for none."""
    for length in range(1, min(LOOP_WORDS_MAX, (len(keys) - at) // LOOP_TIMES) + 1):
        phrase, times = keys[at : at + length], 1
        while keys[at + length * times : at + length * (times + 1)] == phrase:
            times += 1
        alike = len(set(phrase)) == 1
        if times >= (LOOP_TIMES_OF_ONE if length == 1 else LOOP_TIMES) and not (alike and length > 1):
            return length, times
    return 0, 0


_NEVER = frozenset(plain(text) for text in _NEVER_SAID)
_SELDOM = frozenset(plain(text) for text in _SELDOM_SAID)
