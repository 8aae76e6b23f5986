"""What screening assistants, menus and mailboxes say, by language: pieces of sentences, lower case.

Collected from what phones and mobile networks are known to say: the call screening of Android and iOS, the standard
mailbox greetings of operators, and menus. A piece must not be something a person says on answering.
"""

from enum import StrEnum


class Said(StrEnum):
    """What words give away."""

    SCREENING = "screening"
    MENU = "menu"
    MAILBOX = "mailbox"


PHRASES: dict[str, dict[Said, tuple[str, ...]]] = {
    "en": {
        Said.SCREENING: (
            "say your name", "state your name", "record your name", "who is calling", "who's calling", "reason for cal",
            "why you're calling", "why you are calling", "call assistant", "screening service", "screening this call",
            "using a screening", "see if this person is available",
        ),
        Said.MENU: (
            "press 1", "press one", "press 2", "press two", "press 3", "press three", "press 0", "press zero",
            "press the", "press pound", "press star", "main menu", "following options", "menu options",
            "for sales", "for support", "dial the extension", "know your party's extension", "your call is important",
            "calls may be recorded", "call may be recorded", "remain on the line", "stay on the line",
        ),
        Said.MAILBOX: (
            "leave a message", "leave me a message", "leave your message", "leave your name", "after the tone",
            "after the beep", "at the tone", "voicemail", "voice mail", "voice messag", "mailbox", "not available",
            "is unavailable", "can't come to the phone", "cannot come to the phone", "can't take your call",
            "cannot take your call", "unable to take your call", "record your message", "get back to you",
            "you've reached", "you have reached", "not be able to answer", "can't answer",
        ),
    },
    "de": {
        Said.SCREENING: ("nennen sie ihren namen", "grund ihres anrufs", "grund für ihren anruf", "wer anruft"),
        Said.MENU: (
            "drücken sie", "wählen sie die", "hauptmenü", "folgenden optionen", "bleiben sie in der leitung",
            "bleiben sie dran", "gespräch aufgezeichnet", "nächste freie mitarbeiter",
        ),
        Said.MAILBOX: (
            "nach dem ton", "nach dem signal", "nach dem piep", "hinterlassen sie", "hinterlass", "mailbox",
            "anrufbeantworter", "nicht erreichbar", "nicht zu erreichen", "rufe zurück", "nicht entgegennehmen",
        ),
    },
    "fr": {
        Said.SCREENING: ("dites votre nom", "indiquez votre nom", "raison de votre appel", "motif de votre appel"),
        Said.MENU: ("tapez", "appuyez sur", "menu principal", "options suivantes", "ne quittez pas", "restez en ligne"),
        Said.MAILBOX: (
            "après le bip", "après le signal", "laissez un message", "laissez-moi un message", "laisser un message",
            "laissez votre message", "messagerie", "boîte vocale", "répondeur", "pas disponible", "indisponible",
        ),
    },
    "es": {
        Said.SCREENING: ("diga su nombre", "motivo de su llamada", "motivo de la llamada", "quién llama"),
        Said.MENU: ("pulse", "marque", "presione", "oprima", "menú principal", "siguientes opciones"),
        Said.MAILBOX: (
            "después de la señal", "después del tono", "deje su mensaje", "deje un mensaje", "deja un mensaje",
            "buzón de voz", "contestador", "no está disponible", "no puedo atender",
        ),
    },
    "it": {
        Said.SCREENING: ("dica il suo nome", "dì il tuo nome", "motivo della chiamata"),
        Said.MENU: ("prema", "premere", "digiti", "menu principale", "seguenti opzioni", "resti in linea"),
        Said.MAILBOX: (
            "dopo il segnale", "dopo il bip", "lasci un messaggio", "lasciate un messaggio", "lascia un messaggio",
            "segreteria", "non è raggiungibile", "non è al momento", "casella vocale",
        ),
    },
    "lt": {
        Said.SCREENING: ("pasakykite savo vardą", "skambučio priežast", "kas skambina"),
        Said.MENU: ("spauskite", "paspauskite", "pagrindinis meniu", "likite linijoje", "jūsų skambutis mums svarbus"),
        Said.MAILBOX: (
            "po signalo", "palikite žinutę", "palikite pranešimą", "balso pašt", "negali atsiliepti",
            "negaliu atsiliepti", "nepasiekiamas", "išjungtas",
        ),
    },
    "pl": {
        Said.SCREENING: ("podaj swoje imię", "powód połączenia", "kto dzwoni"),
        Said.MENU: ("wciśnij", "naciśnij", "proszę wybrać", "menu główne", "pozostań na linii"),
        Said.MAILBOX: (
            "po sygnale", "po usłyszeniu sygnału", "zostaw wiadomość", "proszę zostawić wiadomość", "poczta głosowa",
            "nie mogę odebrać", "jest niedostępny",
        ),
    },
    "nl": {
        Said.SCREENING: ("zeg uw naam", "zeg je naam", "reden van uw oproep", "wie er belt"),
        Said.MENU: ("toets een", "toets 1", "druk op", "keuzemenu", "hoofdmenu", "blijf aan de lijn"),
        Said.MAILBOX: (
            "na de toon", "na de piep", "spreek een bericht in", "bericht achterlaten", "laat een bericht", "voicemail",
            "niet bereikbaar", "niet beschikbaar",
        ),
    },
}  # fmt: skip


def said(text: str, language: str | None) -> Said | None:
    """What these words give away; None for nothing. An unknown language is taken for English. Menus before mailboxes:
    "press 1 to leave a message" is a menu."""
    known = PHRASES.get((language or "en").partition("-")[0].lower(), PHRASES["en"])
    plain = " ".join(text.lower().replace("’", "'").split())
    for kind in (Said.SCREENING, Said.MENU, Said.MAILBOX):
        if any(piece in plain for piece in known[kind]):
            return kind
    return None
